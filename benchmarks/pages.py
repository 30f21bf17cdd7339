"""The pages of the admin's list of deliveries: each filter with each of its values."""

from __future__ import annotations

import datetime as dt
import time
from statistics import median
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client

    from dispatcher.models import Tenant

ADDRESS: Final = "/admin/webhook/webhookcdr/"
LOOKS: Final = 3


def operator() -> Client:
    """A superuser's browser."""
    return _browser("operator", is_superuser=True)


def member(tenant: Tenant) -> Client:
    """The browser of a tenant's administrator."""
    return _browser(f"of-{tenant.external_id}", tenant=tenant)


def addresses() -> list[str]:
    """The list, each filter with each value that it offers, pages and searches."""
    return [f"{ADDRESS}?{urlencode(query)}" for query in _queries()]


def took_ms(client: Client, address: str) -> float:
    """The median of a few looks, after one that warms up."""
    took = []
    for _ in range(LOOKS + 1):
        began = time.monotonic()
        answer = client.get(address, follow=True)
        took.append((time.monotonic() - began) * 1000)
        assert answer.status_code == 200, (address, answer.status_code)
    return median(took[1:])


def _queries() -> Iterator[dict[str, str]]:
    from dispatcher.admin import delivery_filters as filters
    from dispatcher.models import Delivery, StoredCdr, Tenant, Webhook
    from dispatcher.payloads.registry import STYLES

    yield {}
    yield from ({"p": page} for page in ("2", "200"))
    for state in (*filters.STATES, "waiting"):
        yield {"state": state}
    yield from ({"age": age} for age in ("today", *filters.AGES))
    day = (dt.datetime.now(dt.UTC) - dt.timedelta(days=20)).date().isoformat()
    yield {"created_at_from": day}
    yield {"created_at_to": day}
    yield {"created_at_from": day, "created_at_to": day}
    of_each = {hook.tenant_id: hook for hook in Webhook.objects.filter(active=True)}
    for webhook in (*of_each.values(), *Webhook.objects.filter(active=False)):
        yield {"webhook": str(webhook.pk)}
    for name in Tenant.objects.values_list("external_id", flat=True):
        yield {"tenant": name}
    yield from ({"style": style} for style in STYLES)
    yield from ({"error": error} for error in filters.ERROR_CLASSES)
    newest, call = Delivery.objects.latest("pk"), StoredCdr.objects.earliest("pk")
    searched = (newest.pk, newest.webhook_id, call.uid, call.caller_number, "unknown")
    yield from ({"q": str(text)} for text in searched)
    yield {"state": "failed", "error": "dns", "age": "7d"}
    yield {"state": "failed", "webhook": str(newest.webhook_id)}


def _browser(
    name: str, *, is_superuser: bool = False, tenant: Tenant | None = None
) -> Client:
    from django.contrib.auth.models import User
    from django.test import Client

    from dispatcher.models import Membership

    user, _ = User.objects.get_or_create(
        username=name, is_staff=True, is_superuser=is_superuser
    )
    if tenant is not None:
        administrator = Membership.ADMINISTRATOR
        Membership.objects.get_or_create(user=user, tenant=tenant, role=administrator)
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(user)
    return client
