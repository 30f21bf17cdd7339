"""Whether the system is well, for load balancers, people and Prometheus.

Counts only what an index can count: a scrape must stay cheap with millions of rows.
"""

import hmac
import ipaddress
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from ninja import Router, Status
from pydantic import BaseModel

from dispatcher import tasks
from dispatcher.api.problems import CHALLENGE, Problem
from dispatcher.api.shapes import HELD
from dispatcher.models import Delivery, QuarantinedRecord, Webhook

router = Router(tags=["Health"])

_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-Ip")


class AliveJson(BaseModel):
    """Which parts of the system answer."""

    database: bool
    broker: bool
    workers: bool
    beat: bool


@router.get(
    "/healthz", auth=None, response={200: AliveJson, 503: AliveJson}, summary="Alive"
)
def healthz(request: HttpRequest) -> Status[dict[str, bool]]:
    """503 without a database: then this process can take nothing in.

    It can without the rest, so their absence is no reason to restart it.
    """
    alive = tasks.alive()
    return Status(200 if alive["database"] else 503, alive)


@router.get(
    "/readyz", auth=None, response={200: AliveJson, 503: AliveJson}, summary="Ready"
)
def readyz(request: HttpRequest) -> Status[dict[str, bool]]:
    """503 while anything is missing that calls need in order to go out."""
    alive = tasks.alive()
    return Status(200 if all(alive.values()) else 503, alive)


@router.get("/metrics", auth=None, response={200: Any}, summary="Prometheus metrics")
def metrics(request: HttpRequest) -> HttpResponse:
    """With METRICS_TOKEN as bearer token; where none is set, from this machine only."""
    _admit(request)
    lines = [line for metric in _metrics() for line in metric]
    return HttpResponse(
        "\n".join([*lines, ""]), content_type="text/plain; version=0.0.4; charset=utf-8"
    )


def _admit(request: HttpRequest) -> None:
    token = settings.METRICS_TOKEN
    if not token and _from_this_machine(request):
        return
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not token or not hmac.compare_digest(given.encode(), token.encode()):
        raise Problem(
            401,
            "METRICS_TOKEN is needed as the bearer token.",
            headers={"WWW-Authenticate": CHALLENGE},
        )


def _from_this_machine(request: HttpRequest) -> bool:
    if any(name in request.headers for name in _FORWARDED):
        return False  # a proxy on this machine speaks for somebody else
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def _metrics() -> Iterable[Iterable[str]]:
    alive = tasks.alive()
    yield _gauge(
        "cdrhook_up",
        "1 if the part of the system answers.",
        [(f'part="{part}"', int(is_up)) for part, is_up in alive.items()],
    )
    yield _gauge(
        "cdrhook_deliveries",
        "Deliveries that are not delivered, by state; held are not among pending.",
        _deliveries(),
    )
    webhooks = Webhook.objects.filter(deleted_at__isnull=True, active=True)
    by_health = webhooks.order_by().values_list("health").annotate(Count("pk"))
    yield _gauge(
        "cdrhook_webhooks",
        "Active webhooks by health.",
        [(f'health="{health}"', count) for health, count in by_health],
    )
    yield _gauge(
        "cdrhook_quarantined_records",
        "Records of PBXs that could not be decoded and were kept.",
        [("", QuarantinedRecord.objects.count())],
    )


def _deliveries() -> list[tuple[str, int]]:
    rows = Delivery.objects.exclude(state=Delivery.DELIVERED).order_by()
    counts = dict(rows.values_list("state").annotate(Count("pk")))
    held = rows.filter(HELD).count()
    pending = max(0, counts.get(Delivery.PENDING, 0) - held)
    return [
        ('state="pending"', pending),
        ('state="held"', held),
        ('state="failed"', counts.get(Delivery.FAILED, 0)),
        ('state="cancelled"', counts.get(Delivery.CANCELLED, 0)),
    ]


def _gauge(name: str, text: str, samples: Iterable[tuple[str, int]]) -> Iterable[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} gauge"
    for labels, value in samples:
        yield f"{name}{{{labels}}} {value}" if labels else f"{name} {value}"
