"""`cdrhook createpartner NAME`: makes a partner, an operator of many tenants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from dispatcher.management.output import Answer, AnsweringCommand
from dispatcher.models import Partner
from dispatcher.pipeline import audit

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(AnsweringCommand):
    """Answers {"id", "name"}."""

    help = "Makes a partner: an operator that manages many tenants."

    def arguments(self, parser: CommandParser) -> None:
        """Adds NAME."""
        parser.add_argument("name", metavar="NAME")

    def answer(self, **options: Any) -> Answer:
        """Makes it; names need not be unique."""
        partner = Partner(name=options["name"])
        partner.full_clean()
        with transaction.atomic():
            partner.save()
            audit.note(
                "made", partner, now=timezone.now(), after=audit.values_of(partner)
            )
        return Answer(
            {"id": str(partner.pk), "name": partner.name},
            f"Partner {partner.name} made; its id is {partner.pk}.",
        )
