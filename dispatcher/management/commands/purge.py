"""`cdrhook purge --before TIME`: deletes deliveries that ended long ago."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from dispatcher.management.output import (
    Answer,
    AnsweringCommand,
    moment,
    tenant_called,
)
from dispatcher.pipeline import audit
from dispatcher.pipeline.purge import Purged, purge_deliveries

if TYPE_CHECKING:
    import datetime as dt

    from django.core.management.base import CommandParser

    from dispatcher.models import Tenant


class Command(AnsweringCommand):
    """Answers {"deliveries": n, "attempts": n}; on a terminal it says how far it is."""

    help = (
        "Deletes deliveries that were made and ended before a time, with their"
        " attempts. Calls stay, and know what became of them. It rests between its"
        " steps so that sending goes on, and can be ended and begun anew at any time."
    )

    def arguments(self, parser: CommandParser) -> None:
        """Adds the time and whose."""
        parser.add_argument("--before", required=True, type=moment, metavar="TIME")
        parser.add_argument(
            "--tenant",
            metavar="EXTERNAL_ID",
            help="what carries this tenant's calls alone; default: everybody's",
        )

    def answer(self, **options: Any) -> Answer:
        """Deletes them, step by step."""
        name = options["tenant"]
        tenant = tenant_called(name) if name is not None else None
        _note(options["before"], tenant)
        purged = Purged()
        for purged in purge_deliveries(options["before"], tenant=tenant):
            _tell(f"{purged.deliveries:,} deliveries purged")
        _tell("")
        return Answer(
            {"deliveries": purged.deliveries, "attempts": purged.attempts},
            f"{purged.deliveries} deliveries and {purged.attempts} attempts are gone.",
        )


def _note(before: dt.datetime, tenant: Tenant | None) -> None:
    """Before anything is gone: it may be ended after any step."""
    thing = audit.Thing(
        kind="deliveries", tenant_id=None if tenant is None else tenant.pk
    )
    with transaction.atomic():
        audit.note("purged", thing, now=timezone.now(), after={"before": before})


def _tell(text: str) -> None:
    """Writes over the line that was there before."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{text}\x1b[K")
        sys.stderr.flush()
