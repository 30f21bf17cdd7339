"""Leases: the right to send deliveries and to record them, one row a run.

Whoever claims takes one, whoever records gives back what it has recorded, and the next
claim takes over what has run out. Until then nothing of a claimed delivery is written:
requests that are made for the first time are kept in the lease, so that they are made
with the same bytes again if their sender dies. Decides nothing about what is sent.
"""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from uuid import UUID

from dispatcher.models import Attempt, Delivery, Lease
from dispatcher.models.bulk import update_rows
from dispatcher.models.delivery import LEASE, LONGEST_LEASE
from dispatcher.models.fixed import (
    SIZES,
    FixedQuery,
    chunked_rows,
    some_ids,
)
from dispatcher.models.insert import insert
from dispatcher.values import RenderedRequest

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping, Sequence

    from dispatcher.models import Webhook

# Bodies of a run are much alike: the fastest level makes a tenth of them.
_LEVEL: Final = 1
REQUEST: Final = (
    "request_method",
    "request_content_type",
    "request_body",
    "request_headers",
)


@dataclass(frozen=True, slots=True)
class Held:
    """What is under way of a webhook: ids of deliveries, and how many runs."""

    deliveries: frozenset[UUID]
    runs: int


NOTHING: Final = Held(frozenset(), 0)


@dataclass(frozen=True, slots=True)
class Taking:
    """A lease to be taken: its deliveries, and the requests that no row holds yet."""

    webhook_id: UUID
    token: UUID
    deliveries: Sequence[UUID]
    requests: Mapping[UUID, RenderedRequest]


def take(taking: Sequence[Taking], until: dt.datetime) -> None:
    """Takes leases; whoever does so holds the webhooks' locks."""
    insert(
        Lease,
        ("webhook_id", "token", "deliveries", "requests"),
        [
            (
                one.webhook_id,
                one.token,
                [str(delivery_id) for delivery_id in one.deliveries],
                pack(one.requests),
            )
            for one in taking
        ],
        until=until,
    )


def under_way_of(
    webhooks: Mapping[UUID, Webhook], now: dt.datetime
) -> dict[UUID, Held]:
    """What is under way of each; what has run out is taken over, told as interrupted.

    The caller holds the webhooks' locks.
    """
    good: dict[UUID, list[list[str]]] = defaultdict(list)
    dead = []
    rows = chunked_rows(_held_query, list(webhooks))
    for webhook_id, token, until, deliveries in rows:
        if now < until <= now + LONGEST_LEASE:
            good[webhook_id].append(deliveries)
        else:
            dead.append(token)
    if dead:
        _take_over(webhooks, list(Lease.objects.filter(pk__in=dead)), now)
    return {
        webhook_id: Held(frozenset(UUID(one) for ids in runs for one in ids), len(runs))
        for webhook_id, runs in good.items()
    }


@lru_cache(maxsize=len(SIZES))
def _held_query(size: int) -> FixedQuery:
    return FixedQuery(
        lambda *webhooks: Lease.objects.filter(
            webhook_id__in=webhooks, for_test=False
        ).values_list("webhook_id", "token", "until", "deliveries"),
        *some_ids(size),
    )


def locked(tokens: Iterable[UUID]) -> dict[UUID, list[str]]:
    """The leases that still exist, locked: by token, the deliveries that they hold."""
    return dict(chunked_rows(_locked_query, sorted(set(tokens))))


@lru_cache(maxsize=len(SIZES))
def _locked_query(size: int) -> FixedQuery:
    return FixedQuery(
        lambda *tokens: (
            Lease.objects.select_for_update()
            .filter(pk__in=tokens)
            .order_by("pk")
            .values_list("pk", "deliveries")
        ),
        *some_ids(size),
    )


def give_back(
    leases: Mapping[UUID, list[str]], done: Iterable[tuple[UUID, UUID]]
) -> None:
    """Takes (token, delivery) out of locked leases; one that is empty is gone."""
    recorded: dict[UUID, set[str]] = defaultdict(set)
    for token, delivery_id in done:
        recorded[token].add(str(delivery_id))
    empty, smaller = [], []
    for token, ids in recorded.items():
        left = [one for one in leases.get(token, ()) if one not in ids]
        if left:
            smaller.append((token, left))
        else:
            empty.append(token)
    update_rows(Lease, ("deliveries",), smaller)
    if empty:
        Lease.objects.filter(pk__in=empty).delete()


def pack(requests: Mapping[UUID, RenderedRequest]) -> bytes:
    """Requests as a lease keeps them; nothing for none."""
    if not requests:
        return b""
    heads = [
        [
            str(delivery_id),
            one.method,
            one.content_type,
            dict(one.headers),
            len(one.body),
        ]
        for delivery_id, one in requests.items()
    ]
    bodies = [one.body for one in requests.values()]
    return zlib.compress(b"\n".join([json.dumps(heads).encode(), *bodies]), _LEVEL)


def unpack(packed: bytes) -> dict[UUID, RenderedRequest]:
    """What was packed."""
    if not packed:
        return {}
    heads, _, rest = zlib.decompress(packed).partition(b"\n")
    requests, start = {}, 0
    for delivery_id, method, content_type, headers, length in json.loads(heads):
        requests[UUID(delivery_id)] = RenderedRequest(
            method=method,
            content_type=content_type,
            body=rest[start : start + length],
            headers=headers,
        )
        start += length + 1
    return requests


def write_requests(requests: Mapping[UUID, RenderedRequest]) -> None:
    """Keeps requests in the rows of their deliveries."""
    update_rows(
        Delivery,
        REQUEST,
        [
            (delivery_id, one.method, one.content_type, one.body, dict(one.headers))
            for delivery_id, one in requests.items()
        ],
    )


def _take_over(
    webhooks: Mapping[UUID, Webhook], dead: Sequence[Lease], now: dt.datetime
) -> None:
    """Tells of leases that ran out: whoever held them died before recording.

    It spends no try: whether the requests were made is not known.
    """
    since = {UUID(text): lease for lease in dead for text in lease.deliveries}
    rows = list(
        Delivery.objects.select_for_update(no_key=True)
        .filter(pk__in=since)
        .order_by("pk")
        .values_list("pk", "attempt_count", "request_method")
    )
    Attempt.objects.bulk_create(
        Attempt(
            delivery_id=pk,
            number=attempt_count + 1,
            started_at=since[pk].until - LEASE,
            ended_at=now,
            duration_ms=0,
            error_class="interrupted",
            error=(
                "the process that was sending this stopped before it could record the"
                " result; the receiver may or may not have got it"
            ),
            url=webhooks[since[pk].webhook_id].url,
        )
        for pk, attempt_count, _ in rows
    )
    update_rows(Delivery, ("attempt_count",), [(pk, n + 1) for pk, n, _ in rows])
    unfrozen = {pk for pk, _, method in rows if not method}
    for lease in dead:
        requests = unpack(bytes(lease.requests))
        write_requests({pk: one for pk, one in requests.items() if pk in unfrozen})
    Lease.objects.filter(pk__in=[lease.pk for lease in dead]).delete()
