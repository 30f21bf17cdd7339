"""`cdrhook createtenant NAME --external-id ID`: makes a tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from dispatcher.management.output import Answer, AnsweringCommand, partner_with_id
from dispatcher.models import Tenant
from dispatcher.pipeline import audit

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


KEPT = ("cdrs", "deliveries", "quarantine", "recordings")


class Command(AnsweringCommand):
    """Answers {"id", "external_id", "name"}."""

    help = "Makes a tenant: an organisation whose calls are recorded."

    def arguments(self, parser: CommandParser) -> None:
        """Adds NAME and the tenant's settings."""
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--external-id", required=True, metavar="ID")
        parser.add_argument("--partner", metavar="ID", help="the partner that it is of")
        parser.add_argument("--time-zone", default="UTC", metavar="TZ")
        parser.add_argument("--max-webhooks", type=int, metavar="N")
        for what in KEPT:
            parser.add_argument(
                f"--keep-{what}-hours",
                type=int,
                metavar="N",
                help="then they are deleted; left out: kept",
            )

    def answer(self, **options: Any) -> Answer:
        """Makes it; its external id must be new."""
        partner_id = options["partner"]
        tenant = Tenant(
            name=options["name"],
            external_id=options["external_id"],
            partner=None if partner_id is None else partner_with_id(partner_id),
            time_zone=options["time_zone"],
            max_webhooks=options["max_webhooks"],
            **{name: options[name] for name in (f"keep_{w}_hours" for w in KEPT)},
        )
        tenant.full_clean()
        with transaction.atomic():
            tenant.save()
            audit.note(
                "made", tenant, now=timezone.now(), after=audit.values_of(tenant)
            )
        return Answer(
            {
                "id": str(tenant.pk),
                "external_id": tenant.external_id,
                "name": tenant.name,
            },
            f"Tenant {tenant.name} made; its external id is {tenant.external_id}.",
        )
