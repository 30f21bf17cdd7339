"""`cdrhook rotatekeys`: encrypts all secrets with the first of FIELD_ENCRYPTION_KEYS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils import timezone

from dispatcher.management.output import Answer, AnsweringCommand
from dispatcher.pipeline.rotate import rotate_keys

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(AnsweringCommand):
    """Answers {"seen": n, "rotated": n, "unreadable": [row, ..]}."""

    help = (
        "Encrypts all stored secrets with the first of FIELD_ENCRYPTION_KEYS, a few at a"
        " time while everything runs. It can be ended and begun anew. Once nothing is"
        " unreadable, the other keys are needed no more."
    )

    def arguments(self, parser: CommandParser) -> None:
        """None."""

    def answer(self, **options: Any) -> Answer:
        """Does it, step by step."""
        *_, done = rotate_keys(now=timezone.now())
        lines = [
            f"{done.rotated} of {done.seen} secrets encrypted anew with the first key."
        ]
        if done.unreadable:
            lines += ["These can be read with no key that is set:", *done.unreadable]
        else:
            lines.append("The other keys are needed no more.")
        return Answer(
            {
                "seen": done.seen,
                "rotated": done.rotated,
                "unreadable": list(done.unreadable),
            },
            "\n".join(lines),
        )
