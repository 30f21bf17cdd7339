"""How each route of the HTTP interface is asked for a thing: the rows of the matrix.

In an address or a body, {webhook}, {delivery}, {replay}, {cdr}, {uid}, {tenant},
{partner}, {source} and {cursor} stand for somebody's thing of that kind. A route that
takes an id in several places has an `Ask` for each; whatever else is in it must be in order, so that nothing
but the thing can be at fault.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from tests.api.conftest import record

SINCE = {"since": "2026-11-20T10:00:00Z"}
HOOK = {"url": "https://receiver.example/"}

# Which PBX is asked by which method; each tenant has a source of its name.
PBXS = {"POST": "freeswitch", "GET": "yeastar", "PUT": "kazoo"}


@dataclass(frozen=True, slots=True)
class Ask:
    """One way to name a thing; `body` is JSON, or as it is."""

    path: str
    body: Any = None

    def filled(self, things: dict[str, str]) -> tuple[str, bytes]:
        """Address and body with the things' names in their places."""
        path, body = self.path, self.body
        text = json.dumps(body) if body is not None else ""
        for kind, name in things.items():
            path = path.replace(f"{{{kind}}}", name)
            text = text.replace(f"{{{kind}}}", name)
        return path, text.encode()


@dataclass(frozen=True, slots=True)
class Row:
    """The scope that a route asks for, and how things are named to it."""

    scope: str
    asks: tuple[Ask, ...]
    # Of a tenant's token there is nothing at all, whichever tenant is named.
    for_partners: bool = False


def _row(scope: str, *asks: Ask | str, for_partners: bool = False) -> Row:
    found = [Ask(ask) if isinstance(ask, str) else ask for ask in asks]
    return Row(scope, tuple(found), for_partners)


def _lately() -> str:
    """The query of a range that a partner may ask for."""
    now = timezone.now()
    start, end = (
        f"{now - dt.timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%S}.000Z"
        for minutes in (40, 10)
    )
    return f"startTime={start}&endTime={end}"


def _handed_over() -> dict[str, Row]:
    """A source is named within its tenant: that, or it alone, can be foreign."""
    found = {}
    for method, pbx in PBXS.items():
        for route, name in (("", ""), ("/{source}", f"/{pbx}")):
            found[f"{method} /ingest/{{pbx}}/{{tenant}}{route}"] = _row(
                "ingest",
                Ask(f"/ingest/{pbx}/{{tenant}}{name}", {}),
                Ask(f"/ingest/no-such-pbx/{{tenant}}{name}", {}),
            )
    found["POST /ingest/{pbx}/{tenant}/{source}"] = _row(
        "ingest",
        Ask("/ingest/freeswitch/{tenant}/{source}", {}),
        Ask("/ingest/freeswitch/acme/{source}", {}),
        Ask("/ingest/no-such-pbx/{tenant}/{source}", {}),
    )
    return found


def rows() -> dict[str, Row]:
    """Route to row, of every route that takes a token."""
    hook, delivery = "/api/v1/webhooks/{webhook}", "/api/v1/deliveries/{delivery}"
    return {
        "POST /api/v1/cdrs": _row(
            "ingest", Ask("/api/v1/cdrs?tenant={tenant}", record("new"))
        ),
        "GET /api/v1/cdrs/{uid}": _row(
            "read", "/api/v1/cdrs/{uid}", "/api/v1/cdrs/{uid}?tenant={tenant}"
        ),
        "GET /rest-api/cdr/{cdr_id}": _row(
            "read", "/rest-api/cdr/{cdr}", "/rest-api/cdr/{cdr}?tenant={tenant}"
        ),
        **_handed_over(),
        "GET /api/v1/webhooks": _row("read", "/api/v1/webhooks?tenant={tenant}"),
        "POST /api/v1/webhooks": _row(
            "manage",
            Ask("/api/v1/webhooks?tenant={tenant}", HOOK),
            Ask("/api/v1/webhooks", {**HOOK, "tenant": "{tenant}"}),
            Ask("/api/v1/webhooks", {**HOOK, "partner": "{partner}"}),
            Ask("/api/v1/webhooks", {**HOOK, "id": "{webhook}"}),
        ),
        "GET /api/v1/webhooks/{webhook_id}": _row("read", hook),
        "PATCH /api/v1/webhooks/{webhook_id}": _row(
            "manage", Ask(hook, {"retries": 3})
        ),
        "DELETE /api/v1/webhooks/{webhook_id}": _row("manage", hook),
        "POST /api/v1/webhooks/{webhook_id}/test": _row("manage", f"{hook}/test"),
        "POST /api/v1/webhooks/{webhook_id}/replay": _row(
            "manage", Ask(f"{hook}/replay", SINCE)
        ),
        "POST /api/v1/webhooks/{webhook_id}/secret/rotate": _row(
            "manage", f"{hook}/secret/rotate"
        ),
        "GET /api/v1/deliveries": _row(
            "read",
            "/api/v1/deliveries?tenant={tenant}",
            "/api/v1/deliveries?webhook={webhook}",
            "/api/v1/deliveries?cursor={cursor}",
        ),
        "GET /api/v1/deliveries/{delivery_id}": _row("read", delivery),
        "POST /api/v1/deliveries/{delivery_id}/redeliver": _row(
            "manage", f"{delivery}/redeliver"
        ),
        "POST /api/v1/deliveries/{delivery_id}/cancel": _row(
            "manage", f"{delivery}/cancel"
        ),
        "POST /api/v1/webhooks/{webhook_id}/probe": _row("manage", f"{hook}/probe"),
        "POST /api/v1/webhooks/{webhook_id}/replay-outage": _row(
            "manage", Ask(f"{hook}/replay-outage", {})
        ),
        "POST /api/v1/webhooks/{webhook_id}/backfill": _row(
            "manage", Ask(f"{hook}/backfill", {"hours": 1})
        ),
        "GET /api/v1/webhooks/{webhook_id}/replays": _row("read", f"{hook}/replays"),
        "GET /api/v1/replays/{replay_id}": _row("read", "/api/v1/replays/{replay}"),
        **{
            f"POST /api/v1/replays/{{replay_id}}/{step}": _row(
                "manage", f"/api/v1/replays/{{replay}}/{step}"
            )
            for step in ("pause", "resume", "cancel")
        },
        "GET /api/v1/balance": _row("read", "/api/v1/balance?tenant={tenant}"),
        "POST /api/v1/erasures": _row(
            "manage",
            Ask("/api/v1/erasures?tenant={tenant}", {"number": "+441632960001"}),
        ),
        "GET v1/partners/cdrcountbyorg": _row(
            "read", f"/v1/partners/cdrcountbyorg?{_lately()}", for_partners=True
        ),
        "GET v1/partners/cdrsbyorg": _row(
            "read",
            f"/v1/partners/cdrsbyorg?{_lately()}&orgId={{tenant}}",
            f"/v1/partners/cdrsbyorg?{_lately()}&orgID={{tenant}}",
            for_partners=True,
        ),
    }


# Routes without a token: links that are signed (test_recording_links), and what names
# nobody's things.
SIGNED = {
    "GET /api/cdr/call-recording/{uniqueid}",
    "HEAD /api/cdr/call-recording/{uniqueid}",
}
PUBLIC = {
    "GET /healthz": "/healthz",
    "GET /readyz": "/readyz",
    "GET /metrics": "/metrics",
    "": "/",
    "api/v1/openapi.json": "/api/v1/openapi.json",
    "api/v1/docs": "/api/v1/docs",
    "favicon.ico": "/favicon.ico",
    "^v1(?:/|$)": "/v1/acme",
    "^(?:api|ingest|rest-api)(?:/|$)": "/api/v1/tenants/acme",
}
