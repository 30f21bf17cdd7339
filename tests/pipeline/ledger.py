"""What tests look at of a balance: the hour that it is, and the one webhook in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils import timezone

from dispatcher.models import Tally
from dispatcher.pipeline.balance import balance
from dispatcher.pipeline.statement import hours_asked, statement

if TYPE_CHECKING:
    from dispatcher.models import Tenant, Webhook


def told(tenant: Tenant, **options: Any) -> dict[str, Any]:
    """The balance of the last 24 hours, as JSON has it."""
    since, until = hours_asked(None, None, timezone.now())
    return statement(tenant, balance(tenant, since, until, **options), since, until)


def totals(tenant: Tenant) -> dict[str, Any]:
    """Its totals; they add up."""
    found: dict[str, Any] = told(tenant)["totals"]
    assert found["difference"] == []
    return found


def at(webhook: Webhook, tenant: Tenant | None = None) -> dict[str, Any]:
    """What is not 0 of the totals of a webhook."""
    owner = tenant or webhook.tenant
    assert owner is not None
    [found] = [
        one for one in totals(owner)["webhooks"] if one["webhook"] == str(webhook.pk)
    ]
    skipped = {"webhook", "url", "deleted"}
    return {key: value for key, value in found.items() if value and key not in skipped}


def spoil(tenant: Tenant, **counts: int) -> None:
    """Counts something that never was."""
    newest = Tally.objects.filter(tenant=tenant).latest("hour")
    Tally.objects.create(tenant=tenant, hour=newest.hour, counts=counts)
