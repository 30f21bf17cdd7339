"""`cdrhook erase --tenant ID --number N`: erases every call that holds a number."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dispatcher.management.output import (
    Answer,
    AnsweringCommand,
    Failure,
    tenant_called,
)
from dispatcher.pipeline.erase import BusyError, Erased, erase
from dispatcher.privacy.search import BadNumberError
from dispatcher.values import FieldError

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(AnsweringCommand):
    """Answers {"dry_run", "calls", ...}; on a terminal it says how far it is."""

    help = (
        "Erases every call of a tenant that holds a number: records, recordings,"
        " transcriptions, quarantine, and what was sent of them. Can be ended and begun"
        " anew at any time."
    )

    def arguments(self, parser: CommandParser) -> None:
        """Adds whose, and which number."""
        parser.add_argument("--tenant", required=True, metavar="EXTERNAL_ID")
        parser.add_argument(
            "--number", required=True, metavar="N", help="with its country code"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="only count, change nothing"
        )

    def answer(self, **options: Any) -> Answer:
        """Erases it, step by step."""
        tenant, dry_run = tenant_called(options["tenant"]), options["dry_run"]
        erased = Erased()
        try:
            for progress in erase(tenant, options["number"], dry_run=dry_run):
                erased = progress.erased
                _tell(f"{erased.calls:,} calls")
        except BadNumberError as error:
            fault = FieldError("number", str(error))
            raise Failure("Arguments are at fault.", fault) from None
        except BusyError as error:
            raise Failure(str(error)) from None
        _tell("")
        return Answer(
            {"dry_run": dry_run, **asdict(erased)}, _sentence(erased, dry_run)
        )


def _sentence(erased: Erased, dry_run: bool) -> str:
    counts = asdict(erased)
    parts = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    would = "Would be erased" if dry_run else "Erased"
    return f"{would}: {parts}." if parts else "Nothing holds that number."


def _tell(text: str) -> None:
    """Writes over the line that was there before."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{text}\x1b[K")
        sys.stderr.flush()
