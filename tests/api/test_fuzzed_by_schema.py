"""Requests made up from the OpenAPI description: none is answered by a server error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase

from dispatcher.models import Delivery, Webhook

if TYPE_CHECKING:
    from collections.abc import Callable

    from dispatcher.models import Tenant

# Real requests: what they commit is committed.
pytestmark = [pytest.mark.db, pytest.mark.django_db(transaction=True)]

EXAMPLES = 8
# They say how the system is: without a broker, 503.
HEALTH = frozenset({"/healthz", "/readyz", "/metrics"})

made_up = hypothesis.settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)


@pytest.fixture
def known(acme: Tenant, now: Any) -> dict[str, str]:
    """What paths name, so that requests come to more than a 404."""
    webhook = Webhook.objects.create(tenant=acme, url="https://acme.example/")
    delivery = Delivery.objects.create(
        webhook=webhook,
        tenant=acme,
        state="failed",
        created_at=now,
        ended_at=now,
        call_end=now,
    )
    return {
        "webhook_id": str(webhook.pk),
        "delivery_id": str(delivery.pk),
        "pbx": "freeswitch",
        "tenant": "acme",
    }


def test_no_request_is_answered_by_a_server_error(
    acme: Tenant, known: dict[str, str], token_of: Callable[..., str]
):
    from cdrhook.wsgi import application

    token = token_of(acme, "ingest", "read", "manage")
    headers = {"Authorization": f"Bearer {token}"}
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", application)
    failed: list[str] = []
    answered = 0
    for found in schema.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]
        if operation.path in HEALTH or operation.path.endswith("/test"):
            continue

        @made_up
        @hypothesis.given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            nonlocal answered
            for name in case.path_parameters or {}:
                case.path_parameters[name] = known.get(name, case.path_parameters[name])
            if isinstance(case.query, dict):
                case.query.pop("tenant", None)
            status = case.call(headers=headers).status_code
            answered += 1
            if status >= 500:
                failed.append(f"{status} {case.method} {case.path} {case.body!r:.300}")

        if operation.method.upper() != "DELETE":
            ask()
    assert failed == []
    assert answered > 100
