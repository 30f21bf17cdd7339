"""`cdrhook demo`: the whole stack at work, with calls and receivers of its own."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from cdrhook.demo.demo import Demo
from cdrhook.demo.plays.registry import DEFAULT, PLAYS

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

    from cdrhook.demo.plays.base import Play


def _play(style: str) -> Play:
    if style not in PLAYS:
        *others, last = PLAYS
        either = f"{', '.join(others)} or {last}"
        raise argparse.ArgumentTypeError(f'STYLE may be {either}, not "{style}"')
    return PLAYS[style]


class Command(BaseCommand):
    """Runs until Ctrl-C; leaves nothing running."""

    help = "Shows cdrhook at work: a PBX, three receivers, the admin."
    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Options for tests and for the curious."""
        parser.add_argument(
            "--exit-after",
            type=int,
            default=0,
            metavar="N",
            help="end by itself after N deliveries have arrived",
        )
        parser.add_argument(
            "--style",
            type=_play,
            # Text, so that it is judged like an argument.
            default=os.environ.get("STYLE") or DEFAULT,
            metavar="|".join(PLAYS),
            help="payload style; also as STYLE in the environment",
        )

    def handle(self, *_args: object, **options: Any) -> None:
        """Exits 1 where something went wrong, which was said."""
        try:
            demo = Demo(
                wanted_port=settings.PORT,
                play=options["style"],
                exit_after=options["exit_after"],
            )
            went_well = demo.run()
        except ValueError as error:
            raise CommandError(str(error)) from error
        if not went_well:
            sys.exit(1)
