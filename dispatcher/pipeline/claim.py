"""Claims due deliveries of webhooks: leases on them, and their requests frozen.

Sends nothing. What it returns is committed, so that no request is ever made for
something that the database does not know of.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import defaultdict
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.db.models import Exists, OuterRef

from dispatcher.models import CustomData, Delivery, Webhook, WebhookHeader
from dispatcher.models.delivery import LEASE, LONGEST_WAIT
from dispatcher.models.encryption import UndecryptableError, readable
from dispatcher.models.fixed import (
    OTHER_TIME,
    SIZES,
    SOME_ID,
    SOME_TIME,
    FixedQuery,
    chunked_rows,
    some_ids,
)
from dispatcher.models.webhook import MAX_IN_FLIGHT
from dispatcher.payloads.registry import style
from dispatcher.pipeline import health, held, probes, recovery
from dispatcher.pipeline.bundle import bundle
from dispatcher.pipeline.freeze import Contents, contents_of, requests_of
from dispatcher.pipeline.leases import (
    NOTHING,
    Held,
    Taking,
    take,
    under_way_of,
    write_requests,
)
from dispatcher.values import Outgoing, RenderedRequest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from django.db.models import QuerySet

    from dispatcher.values import Identity, Method

# The bound on what a crash can send twice: claimed and not yet recorded, a webhook.
MAX_CLAIMED: Final = 50
# Answers in a row under QUICK_MS after which a webhook is known to be fast.
QUICK_ANSWERS: Final = 20
QUICK_MS: Final = 500
# About how long one run of requests on one connection should take.
RUN_MS: Final = 250
# Deliveries with which a claim of several webhooks ends.
MOST_TOGETHER: Final = 100
# CDRs in bundles that are rendered in one transaction.
MOST_CDRS: Final = 2000
# What `capacity` calls the probes of webhooks that are DOWN, which have a share of the
# slow lane.
PROBES: Final = "probes"
# How long a webhook whose secrets cannot be read is left alone.
LOOK_AGAIN: Final = dt.timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A delivery that we hold the lease of, ready to be sent."""

    delivery_id: UUID
    webhook_id: UUID
    lane: str
    token: UUID
    lease_until: dt.datetime
    due_at: dt.datetime
    tries: int
    attempt_count: int
    outgoing: Outgoing
    # Its request is in the lease only, until the result is recorded.
    is_first: bool = False
    # Tried to see whether its webhook answers again.
    probe: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """Runs of deliveries, each to be sent in sequence on one connection.

    `wait_until` is when to look again although nothing ends before then: the
    webhook's pace or its earliest retry. `no_room`: the lane had no thread left.
    `is_fast`: the webhook is known to be.
    """

    webhook_id: UUID
    lane: str
    runs: tuple[tuple[Claimed, ...], ...] = ()
    wait_until: dt.datetime | None = None
    no_room: bool = False
    is_fast: bool = False


@dataclass(frozen=True, slots=True)
class Keys:
    """What is a webhook's own and secret: headers, signing secrets, identity."""

    headers: dict[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    identity: Identity | None


@dataclass(frozen=True, slots=True)
class Together:
    """Claims of several webhooks, and those that this transaction left out.

    `later`: it was long enough. `alone`: they bundle, which may take long.
    """

    claims: tuple[Claim, ...] = ()
    later: tuple[UUID, ...] = ()
    alone: tuple[UUID, ...] = ()


@dataclass(slots=True)
class _Plan:
    """Deliveries of a webhook that are about to be leased, in runs of `size`."""

    webhook: Webhook
    rows: list[_Due]
    size: int
    under_way: Held
    has_more: bool
    bundle_at: dt.datetime | None
    probe: bool = False

    @property
    def fresh(self) -> list[_Due]:
        """Those that have no request yet."""
        return [row for row in self.rows if row.request_body is None]


def claim(
    webhook_id: UUID, *, now: dt.datetime, capacity: Mapping[str, int]
) -> Claim | None:
    """Claims of one webhook. None: there is none, or it sends nothing now."""
    claims = claim_together([webhook_id], now=now, capacity=capacity).claims
    return claims[0] if claims else None


def claim_together(
    webhook_ids: Sequence[UUID],
    *,
    now: dt.datetime,
    capacity: Mapping[str, int],
    reserve: Mapping[str, int] | None = None,
) -> Together:
    """Leases as many due deliveries of each webhook as it may have under way.

    A webhook that is not known to be fast is claimed one delivery a run; a fast one
    gets runs of up to 50. `capacity` is how many more runs each lane can take here; a
    lane that is not in it is served elsewhere. `reserve` of it is for webhooks that
    are known to be fast; PROBES is how many probes may start. One transaction: it ends
    with about 100 deliveries, and a webhook that bundles is claimed by itself.
    """
    left, plans = dict(capacity), list[_Plan]()
    claims, later, alone = list[Claim](), list[UUID](), list[UUID]()
    with transaction.atomic():
        webhooks, with_own = _locked(webhook_ids)
        under_way = under_way_of(webhooks, now) if webhooks else {}
        for webhook_id in webhook_ids:
            if (webhook := webhooks.get(webhook_id)) is None:
                continue
            if len(webhook_ids) > 1 and style(webhook.style).bundles:
                alone.append(webhook_id)
                continue
            if sum(len(plan.rows) for plan in plans) >= MOST_TOGETHER:
                later.append(webhook_id)
                continue
            room = _room_for(webhook, left, reserve or {})
            planned = _planned(webhook, now, room, under_way.get(webhook_id, NOTHING))
            if isinstance(planned, Claim):
                claims.append(planned)
                continue
            plans.append(planned)
            left[webhook.lane] -= math.ceil(len(planned.rows) / planned.size)
            if planned.probe and PROBES in left:
                left[PROBES] -= 1
        claims += _leased(plans, with_own, now)
    return Together(tuple(claims), tuple(later), tuple(alone))


def _room_for(
    webhook: Webhook, left: Mapping[str, int], reserve: Mapping[str, int]
) -> int | None:
    """How many runs may start; None: none of its lane ever does here."""
    if webhook.lane not in left:
        return None
    room = left[webhook.lane]
    if _sends_only_probes(webhook):
        return min(room, left.get(PROBES, room))
    if webhook.quick_answers < QUICK_ANSWERS:
        room -= reserve.get(webhook.lane, 0)
    return room


def _sends_only_probes(webhook: Webhook) -> bool:
    return webhook.health == health.DOWN and webhook.when_down != "try"


def _planned(
    webhook: Webhook, now: dt.datetime, room: int | None, under_way: Held
) -> _Plan | Claim:
    if _sends_only_probes(webhook):
        return _while_down(webhook, now, room, under_way)
    if (paced_until := _paced_until(webhook, now)) is not None:
        return Claim(webhook.pk, webhook.lane, wait_until=paced_until)
    if room is None or room <= 0:
        return Claim(webhook.pk, webhook.lane, no_room=True)
    bundle_at = bundle(webhook, now)
    size, count, unclaimed = _room(webhook, now, under_way)
    wanted = min(size * min(count, room), unclaimed)
    most = max(1, _most_deliveries(webhook))
    if wanted == 0:
        # Whatever ends next makes room and has this webhook looked at again.
        return Claim(webhook.pk, webhook.lane, wait_until=bundle_at)
    limit = min(wanted, most)
    rows = _due(webhook, now, under_way, limit=limit)
    _end_recovery(webhook, now, rows, under_way, limit)
    if not rows:
        wait_until = _sooner(_earliest(webhook, under_way), bundle_at)
        return Claim(webhook.pk, webhook.lane, wait_until=wait_until)
    has_more = most <= len(rows) < wanted
    return _Plan(webhook, rows, size, under_way, has_more, bundle_at)


def _end_recovery(
    webhook: Webhook,
    now: dt.datetime,
    rows: Sequence[_Due],
    under_way: Held,
    limit: int,
) -> None:
    if recovery.is_over(
        webhook,
        [row.next_attempt_at for row in rows],
        now,
        is_all=len(rows) < limit,
        is_idle=not under_way.deliveries,
    ):
        health.is_back(webhook, now)


def _while_down(
    webhook: Webhook, now: dt.datetime, room: int | None, under_way: Held
) -> _Plan | Claim:
    """Of a webhook that is DOWN: bundles go on being made, and a probe may be sent.

    It says no time to look at it again: the sweep does, a few at a time.
    """
    bundle_at = bundle(webhook, now)
    again = now if bundle_at is not None and bundle_at <= now else None
    granted = probes.is_granted(webhook, now)
    if granted and room is None:
        return Claim(webhook.pk, webhook.lane, wait_until=again, no_room=True)
    row = _probe(webhook, now, under_way) if granted and room and room > 0 else None
    if webhook.when_down == "fail":
        spared = under_way.deliveries | ({row.id} if row is not None else set())
        again = now if held.fail_while_down(webhook, now, spared) else again
    if row is not None:
        return _Plan(webhook, [row], 1, under_way, False, again, probe=True)
    return Claim(webhook.pk, webhook.lane, wait_until=again)


def _probe(webhook: Webhook, now: dt.datetime, under_way: Held) -> _Due | None:
    """The delivery that is tried to see whether the webhook answers again."""
    row = next(map(_Due._make, _HEAD.rows(webhook.pk)), None)
    if row is None:
        return None
    webhook.probed_at = now
    webhook.save(update_fields=["probed_at"])
    if under_way.deliveries:
        return None  # what is under way shows it as well
    spent_no_try = row.attempt_count - row.tries
    if webhook.ordered or not probes.is_refused(
        row.last_error_class, spent_no_try, now
    ):
        return row
    return next(map(_Due._make, _TAIL.rows(webhook.pk)), row)


def _leased(
    plans: Sequence[_Plan], with_own: Collection[UUID], now: dt.datetime
) -> list[Claim]:
    """Reads what the plans need, all together, and takes their leases."""
    if not plans:
        return []
    ids = [plan.webhook.pk for plan in plans if plan.webhook.pk in with_own]
    headers = _pairs(chunked_rows(_headers_query, ids))
    custom_data = _pairs(chunked_rows(_custom_data_query, ids))
    contents = contents_of(
        [row.id for plan in plans for row in plan.fresh],
        by_call_end=style(plans[0].webhook.style).bundles == "clock",
    )
    claims, taking = [], []
    for plan in plans:
        webhook = plan.webhook
        try:
            keys = _keys(webhook, headers[webhook.pk], now)
        except UndecryptableError as error:
            _postpone(plan, str(error), now)
            wait_until = plan.bundle_at
            if not plan.probe:
                wait_until = _sooner(_earliest(webhook, plan.under_way), wait_until)
            claims.append(Claim(webhook.pk, webhook.lane, wait_until=wait_until))
            continue
        requests = _requests(plan, contents, dict(custom_data[webhook.pk]), now)
        runs, taken = _runs(plan, requests, keys, now)
        taking += taken
        # Rows that could not be rendered end nothing that would have us look again.
        wait_until = _pace(webhook, len(plan.rows), now) if runs else now
        if wait_until is None and plan.has_more:
            wait_until = now  # there is room for more, but not in this transaction
        wait_until = _sooner(wait_until, plan.bundle_at)
        is_fast = webhook.quick_answers >= QUICK_ANSWERS
        claims.append(
            Claim(webhook.pk, webhook.lane, tuple(runs), wait_until, is_fast=is_fast)
        )
    take(taking, now + LEASE)
    return claims


def _sooner(one: dt.datetime | None, other: dt.datetime | None) -> dt.datetime | None:
    if one is None or other is None:
        return one or other
    return min(one, other)


def _pairs(rows: Iterable[Sequence[Any]]) -> dict[UUID, list[tuple[str, str]]]:
    """By webhook, names and values."""
    found: dict[UUID, list[tuple[str, str]]] = defaultdict(list)
    for webhook_id, name, value in rows:
        found[webhook_id].append((name, value))
    return found


def _locked(webhook_ids: Sequence[UUID]) -> tuple[dict[UUID, Webhook], set[UUID]]:
    """The webhooks that send, locked by id: two claims of one never overlap.

    And those of them that have headers or custom data of their own.

    Not their keys: calls that are just accepted refer to them and must not wait.
    """
    webhooks, with_own = dict[UUID, Webhook](), set[UUID]()
    for row in chunked_rows(_locked_query, sorted(webhook_ids)):
        *values, has_headers, has_custom_data = row
        webhook = Webhook.from_db(connection.alias, _COLUMNS, values)
        webhooks[webhook.pk] = webhook
        if has_headers or has_custom_data:
            with_own.add(webhook.pk)
    return webhooks, with_own


_COLUMNS: Final = [field.attname for field in Webhook._meta.concrete_fields]


_HAS_HEADERS: Final = Exists(WebhookHeader.objects.filter(webhook=OuterRef("pk")))
_HAS_CUSTOM_DATA: Final = Exists(CustomData.objects.filter(webhook=OuterRef("pk")))


@lru_cache(maxsize=len(SIZES))
def _locked_query(size: int) -> FixedQuery:
    return FixedQuery(
        lambda *ids: (
            Webhook.objects.select_for_update(no_key=True)
            .filter(pk__in=ids, active=True, deleted_at__isnull=True)
            .order_by("pk")
            .values_list(*_COLUMNS, _HAS_HEADERS, _HAS_CUSTOM_DATA)
        ),
        *some_ids(size),
    )


def _room(webhook: Webhook, now: dt.datetime, under_way: Held) -> tuple[int, int, int]:
    """How many deliveries a run may hold, how many runs may start, and with how many."""
    at_a_time = recovery.runs_at_a_time(webhook, now)
    runs = max(0, at_a_time - under_way.runs)
    size = _run_size(webhook)
    most = max(MAX_CLAIMED, at_a_time) if size == 1 else MAX_CLAIMED
    most = max(0, most - len(under_way.deliveries))
    if (rate := recovery.per_second(webhook, now)) is not None:
        runs, size = min(runs, _burst(rate)), min(size, _burst(rate))
        most = min(most, _burst(rate))
    return size, runs, most


def _run_size(webhook: Webhook) -> int:
    if webhook.ordered or webhook.max_per_second is not None:
        return 1
    if webhook.lane == "slow" or webhook.quick_answers < QUICK_ANSWERS:
        return 1
    size = min(_most_deliveries(webhook), math.ceil(RUN_MS / max(1, webhook.answer_ms)))
    return max(1, size)


def _most_deliveries(webhook: Webhook) -> int:
    """How many deliveries are rendered, and their rows locked, in one transaction."""
    bundles = style(webhook.style).bundles
    if bundles == "clock":
        return 1
    if bundles == "size_and_age":
        return min(MAX_CLAIMED, MOST_CDRS // webhook.batch_size)
    return max(MAX_CLAIMED, webhook.max_in_flight)


class _Due(NamedTuple):
    """A delivery that is due, as it is read: its columns, in this order."""

    id: UUID
    next_attempt_at: dt.datetime
    tries: int
    attempt_count: int
    window_start: dt.datetime | None
    window_end: dt.datetime | None
    sequence: int | None
    late: bool
    request_method: str
    request_content_type: str
    request_body: bytes | None
    request_headers: dict[str, str]
    last_error_class: str

    def is_due(self, now: dt.datetime, too_far: dt.datetime) -> bool:
        """As `Delivery.due` says it."""
        return self.next_attempt_at <= now or self.next_attempt_at > too_far

    def request(self) -> RenderedRequest | None:
        """What is sent on every try; None until it has been tried once."""
        if self.request_body is None:
            return None
        return RenderedRequest(
            method=cast("Method", self.request_method),
            content_type=self.request_content_type,
            body=bytes(self.request_body),
            headers=self.request_headers,
        )


def _due(
    webhook: Webhook, now: dt.datetime, under_way: Held, *, limit: int
) -> list[_Due]:
    """The first ones that nobody is sending, in order of call end."""
    too_far, most = now + LONGEST_WAIT, limit + len(under_way.deliveries)
    if webhook.ordered:
        # The first in order, due or not: one that waits holds up those behind it.
        rows = _HEAD.rows(webhook.pk)
        wanted = [row for row in map(_Due._make, rows) if row.is_due(now, too_far)]
    else:
        found = _due_query(most).rows(webhook.pk, now, too_far)
        wanted = list(map(_Due._make, found))
    return [row for row in wanted if row.id not in under_way.deliveries][:limit]


def _pending(webhook_id: UUID) -> QuerySet[Delivery]:
    return Delivery.objects.filter(
        webhook_id=webhook_id, state=Delivery.PENDING, test_uid=""
    ).order_by("call_end", "id")


_HEAD: Final = FixedQuery(
    lambda webhook_id: _pending(webhook_id).values_list(*_Due._fields)[:1], SOME_ID
)


_TAIL: Final = FixedQuery(
    lambda webhook_id: _pending(webhook_id).reverse().values_list(*_Due._fields)[:1],
    SOME_ID,
)


@lru_cache(maxsize=2 * MAX_IN_FLIGHT)
def _due_query(most: int) -> FixedQuery:
    def build(
        webhook_id: UUID, now: dt.datetime, too_far: dt.datetime
    ) -> QuerySet[Any, Any]:
        due = _pending(webhook_id).filter(Delivery.due(now, too_far))
        return due.values_list(*_Due._fields)[:most]

    return FixedQuery(build, SOME_ID, SOME_TIME, OTHER_TIME)


def _earliest(webhook: Webhook, under_way: Held) -> dt.datetime | None:
    """When the next pending delivery that nobody holds becomes due."""
    if webhook.ordered:
        rows = [
            (row.id, row.next_attempt_at)
            for row in map(_Due._make, _HEAD.rows(webhook.pk))
        ]
    else:
        rows = _earliest_query(1 + len(under_way.deliveries)).rows(webhook.pk)
    return next((at for pk, at in rows if pk not in under_way.deliveries), None)


@lru_cache(maxsize=2 * MAX_IN_FLIGHT)
def _earliest_query(most: int) -> FixedQuery:
    return FixedQuery(
        lambda webhook_id: (
            _pending(webhook_id)
            .order_by("next_attempt_at")
            .values_list("pk", "next_attempt_at")[:most]
        ),
        SOME_ID,
    )


def _burst(max_per_second: int) -> int:
    """How many may start together: a tenth of a second's worth."""
    return max(1, max_per_second // 10)


def _paced_until(webhook: Webhook, now: dt.datetime) -> dt.datetime | None:
    """When the webhook's pace lets the next request start; None: now."""
    until = webhook.paced_until
    if until is None or recovery.per_second(webhook, now) is None:
        return None
    # No pace is longer than a second; what is further ahead is a clock set back.
    return until if now < until <= now + dt.timedelta(seconds=1) else None


def _pace(webhook: Webhook, sent: int, now: dt.datetime) -> dt.datetime | None:
    if (rate := recovery.per_second(webhook, now)) is None:
        return None
    webhook.paced_until = now + dt.timedelta(seconds=sent / rate)
    webhook.save(update_fields=["paced_until"])
    return webhook.paced_until


def keys_of(webhook: Webhook, now: dt.datetime) -> Keys:
    """Decrypts them. Raises UndecryptableError when no configured key fits."""
    headers = webhook.headers.values_list("name", "value")
    return _keys(webhook, headers, now)


def _keys(
    webhook: Webhook, headers: Iterable[tuple[str, str]], now: dt.datetime
) -> Keys:
    readable(webhook.mask_key)  # rendering needs it
    return Keys(
        headers={name: readable(value) for name, value in headers},
        secrets=webhook.signing_secrets(now),
        identity=webhook.identity(),
    )


@lru_cache(maxsize=len(SIZES))
def _headers_query(size: int) -> FixedQuery:
    return FixedQuery(
        lambda *ids: (
            WebhookHeader.objects.filter(webhook_id__in=ids)
            .order_by("id")
            .values_list("webhook_id", "name", "value")
        ),
        *some_ids(size),
    )


@lru_cache(maxsize=len(SIZES))
def _custom_data_query(size: int) -> FixedQuery:
    return FixedQuery(
        lambda *ids: (
            CustomData.objects.filter(webhook_id__in=ids)
            .order_by("id")
            .values_list("webhook_id", "key", "value")
        ),
        *some_ids(size),
    )


def _postpone(plan: _Plan, reason: str, now: dt.datetime) -> None:
    """Says why these cannot be sent, and looks again in a minute.

    But for a probe, of which the sweep says when: it is held since it was due.
    """
    rows = Delivery.objects.filter(pk__in=[row.id for row in plan.rows])
    if not plan.probe:
        rows.update(next_attempt_at=now + LOOK_AGAIN)
    rows.update(last_error_class="internal", last_error=reason)


def _requests(
    plan: _Plan, contents: Contents, custom_data: Mapping[str, str], now: dt.datetime
) -> dict[UUID, RenderedRequest]:
    """Freezes the request of each row that has none; takes out what cannot be made."""
    fresh = plan.fresh
    requests, refused = requests_of(plan.webhook, fresh, contents, custom_data)
    for delivery_id, why in refused.items():
        _fail(delivery_id, why, now)
    if refused:
        plan.rows = [row for row in plan.rows if row.id not in refused]
    if style(plan.webhook.style).bundles:
        # Bodies of thousands of calls: written once, when the delivery is made.
        write_requests(requests)
    return requests


def _runs(
    plan: _Plan, requests: Mapping[UUID, RenderedRequest], keys: Keys, now: dt.datetime
) -> tuple[list[tuple[Claimed, ...]], list[Taking]]:
    """One lease a run."""
    webhook, until = plan.webhook, now + LEASE
    is_in_row = bool(style(webhook.style).bundles)
    runs, taking = [], []
    for start in range(0, len(plan.rows), plan.size):
        run, token = plan.rows[start : start + plan.size], uuid4()
        ids = [row.id for row in run]
        unwritten = {} if is_in_row else _only(requests, ids)
        taking.append(Taking(webhook.pk, token, ids, unwritten))
        claimed = [
            Claimed(
                delivery_id=row.id,
                webhook_id=webhook.pk,
                lane=webhook.lane,
                token=token,
                lease_until=until,
                due_at=row.next_attempt_at,
                tries=row.tries,
                attempt_count=row.attempt_count,
                outgoing=outgoing(
                    webhook, row.id, requests.get(row.id) or row.request(), keys
                ),
                is_first=row.id in unwritten,
                probe=plan.probe,
            )
            for row in run
        ]
        runs.append(tuple(claimed))
    return runs, taking


def _only(
    requests: Mapping[UUID, RenderedRequest], ids: Sequence[UUID]
) -> dict[UUID, RenderedRequest]:
    return {one: requests[one] for one in ids if one in requests}


def outgoing(
    webhook: Webhook,
    delivery_id: UUID,
    request: RenderedRequest | None,
    keys: Keys,
    *,
    test: bool = False,
) -> Outgoing:
    """A frozen request with the webhook's current URL and keys."""
    assert request is not None  # noqa: S101  what has none was rendered just now
    return Outgoing(
        delivery_id=delivery_id,
        url=webhook.url,
        request=request,
        headers=keys.headers,
        secrets=keys.secrets,
        also_accept=webhook.accepted_statuses,
        test=test,
        spark=style(webhook.style).spark,
        identity=keys.identity,
    )


def _fail(delivery_id: UUID, error: str, now: dt.datetime) -> None:
    """What cannot be rendered must not hold up the deliveries behind it."""
    Delivery.objects.filter(pk=delivery_id, state=Delivery.PENDING).update(
        state=Delivery.FAILED,
        next_attempt_at=None,
        ended_at=now,
        last_error_class="internal",
        last_error=error,
    )
