"""One step of a replay: a bounded transaction that sends the next ones again.

The constraints, and what follows from them:

1. A range may hold millions. Therefore a step looks at the next ids behind the replay's
   cursor, changes 500 rows at most, and commits; nothing is searched for twice.
2. Two may step the same replay: two beats, two workers, a request. Therefore a step
   holds the row locks of the webhook and of the replay, and asks again what is due.
3. Nobody may be sent something after its webhook was deleted. Therefore the webhook's
   lock, which the deletion needs as well; the replay then ends as cancelled.
4. A call that is being accepted while its webhook is made may be owed by neither side.
   Therefore calls of a webhook that was made just now are left alone until whoever did
   not see it has committed.
5. A clock may be set. Therefore ids are searched from a margin before the range to one
   behind it: they tell when a row was made, by the clock of that time.

Sends nothing itself; who calls it wakes the webhook up after the commit.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Q

from dispatcher.adapters import cdr_json
from dispatcher.models import CdrRevision, Delivery, OwedCdr, Replay, StoredCdr, Webhook
from dispatcher.models.ids import first_id_at
from dispatcher.pipeline.owe import Call, Owing, owe, write_owed
from dispatcher.pipeline.replay_pace import MOST, is_due, next_step, step_size
from dispatcher.pipeline.resend import send_again
from dispatcher.pipeline.route import Route, route_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from django.db.models import QuerySet

log = structlog.get_logger(__name__)

# Ids that a step looks at, whether or not they are of the range: some milliseconds.
LOOKED_AT: Final = 2_000
# By so much a clock may be set between reading it and making an id.
MARGIN: Final = dt.timedelta(hours=2)
# Longer than a request that takes calls in is under way.
SETTLING: Final = dt.timedelta(seconds=15)
START: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Stepped:
    """What a step did. `wake`: the webhook, if it has work now, and its lane."""

    stepped: bool = False
    sent: int = 0
    over: bool = False
    wake: Mapping[UUID, str] = field(default_factory=dict)


NOT_DUE: Final = Stepped()


@dataclass(frozen=True, slots=True)
class Walk:
    """Rows in the order of their ids, and which of them are in the range."""

    rows: QuerySet[Any]
    chosen: Q


class _Looked(NamedTuple):
    """The next rows of a range, and the last id that was looked at; None: the end."""

    keys: list[UUID]
    until: UUID | None


class _Done(NamedTuple):
    """What a step did: rows it is done with, deliveries, and where the next begins."""

    rows: int
    sent: int
    until: UUID | None


# What is in a range -------------------------------------------------------------------


def walk(replay: Replay) -> Walk:
    """The rows that a replay goes through; it need not have been saved."""
    if replay.what == Replay.CALLS:
        return _calls(replay)
    return _deliveries(replay)


def count(replay: Replay, most: int | None = None) -> int:
    """How many rows are in its range now: deliveries, or calls before any filter.

    More than `most` are counted as one more.
    """
    range_ = walk(replay)
    rows = range_.rows.filter(range_.chosen).order_by()
    return rows.count() if most is None else rows.values("pk")[: most + 1].count()


def _deliveries(replay: Replay) -> Walk:
    """Of one webhook, by when they were made; of an outage, by when they failed.

    Without those whose calls were all erased: `resend` does not take them.
    """
    of_outage = replay.what == Replay.OUTAGE
    column = "ended_at" if of_outage else "created_at"
    rows = Delivery.objects.filter(
        _made(None if of_outage else replay.since, replay.until),
        webhook=replay.webhook_id,
        test_uid="",
    )
    if replay.states == [Delivery.FAILED]:
        rows = rows.filter(state=Delivery.FAILED)  # by the index of those alone
    chosen = _during(column, replay) & Q(state__in=replay.states)
    sendable = ~Q(state=Delivery.PENDING) & ~Q(last_error_class=Delivery.ERASED)
    return Walk(rows, chosen & sendable)


def _calls(replay: Replay) -> Walk:
    """Of the webhook's tenant; of a partner's tenants, among everybody's."""
    rows = StoredCdr.objects.filter(_made(replay.since, replay.until))
    chosen, webhook = _during("accepted_at", replay), replay.webhook
    if webhook.tenant_id is not None:
        return Walk(rows.filter(tenant=webhook.tenant_id), chosen)
    return Walk(rows, chosen & Q(tenant__partner=webhook.partner_id))


def _during(column: str, replay: Replay) -> Q:
    return Q(**{f"{column}__gte": replay.since, f"{column}__lt": replay.until})


def _made(since: dt.datetime | None, until: dt.datetime) -> Q:
    first = START if since is None else first_id_at(since - MARGIN)
    return Q(pk__gte=first, pk__lt=first_id_at(until + MARGIN))


def _look(range_: Walk, cursor: UUID | None) -> _Looked:
    ahead = range_.rows.filter(pk__gt=cursor or START).order_by("pk")
    keys = ahead.values_list("pk", flat=True)
    last: UUID | None = keys[LOOKED_AT - 1 : LOOKED_AT].first()
    if last is not None:
        keys = keys.filter(pk__lte=last)
    found = list(keys.filter(range_.chosen)[:MOST])
    return _Looked(found, found[-1] if len(found) == MOST else last)


# The step -----------------------------------------------------------------------------


def step(replay_id: UUID, now: dt.datetime) -> Stepped:
    """Sends the next ones of a replay, if it is running and its next step is due."""
    with transaction.atomic():
        replay = _locked(replay_id)
        if replay is None or replay.next_step_at is None:
            return NOT_DUE
        if not is_due(replay.next_step_at, now):
            return NOT_DUE
        if replay.webhook.deleted_at is not None:
            _end(replay, Replay.CANCELLED, now)
            return Stepped(stepped=True, over=True)
        return _step(replay, now)


def _locked(replay_id: UUID) -> Replay | None:
    """The replay with its webhook, locked in the order in which everybody locks."""
    webhooks = Webhook.objects.filter(replays=replay_id)
    webhook = webhooks.select_for_update(no_key=True, of=("self",)).first()
    if webhook is None:
        return None
    replays = Replay.objects.select_for_update(no_key=True)
    replay = replays.filter(pk=replay_id, state=Replay.RUNNING).first()
    if replay is not None:
        replay.webhook = webhook
    return replay


def _step(replay: Replay, now: dt.datetime) -> Stepped:
    take = _hand_out if replay.what == Replay.CALLS else _send_again
    done = take(replay, now)
    replay.done += done.rows
    replay.cursor = done.until or replay.cursor
    if done.until is not None:
        _go_on(replay, done.sent, now)
    elif replay.what == Replay.CALLS and _unsettled(replay.webhook, now):
        replay.next_step_at = replay.webhook.created_at + SETTLING
        replay.save(update_fields=["done", "cursor", "next_step_at"])
    else:
        _end(replay, Replay.DONE, now)
    return Stepped(
        stepped=True,
        sent=done.sent,
        over=replay.next_step_at is None,
        wake=_woken(replay.webhook) if done.sent else {},
    )


def _go_on(replay: Replay, sent: int, now: dt.datetime) -> None:
    due_at = replay.next_step_at or now
    replay.next_step_at = next_step(due_at, now, sent, replay.per_second)
    replay.save(update_fields=["done", "cursor", "next_step_at"])


def _end(replay: Replay, state: str, now: dt.datetime) -> None:
    replay.state, replay.next_step_at, replay.ended_at = state, None, now
    replay.save(update_fields=["state", "done", "cursor", "next_step_at", "ended_at"])
    log.info(
        "replay.ended",
        replay=str(replay.pk),
        webhook=str(replay.webhook_id),
        state=state,
        done=replay.done,
        total=replay.total,
    )


def _woken(webhook: Webhook) -> dict[UUID, str]:
    return {webhook.pk: webhook.lane} if webhook.active else {}


# Deliveries that exist ----------------------------------------------------------------


def _send_again(replay: Replay, now: dt.datetime) -> _Done:
    range_ = walk(replay)
    keys, until = _look(range_, replay.cursor)
    most = step_size(replay.per_second)
    if len(keys) > most:
        keys, until = keys[:most], keys[most - 1]
    wanted = Delivery.objects.filter(range_.chosen, pk__in=keys)
    # By id, as everybody locks deliveries; what has changed meanwhile is left out.
    locked = wanted.order_by("pk").select_for_update(no_key=True)
    still = list(locked.values_list("pk", flat=True))
    sent = send_again(Delivery.objects.filter(pk__in=still), now)
    return _Done(sent, sent, until)


# Calls that were accepted before ------------------------------------------------------


def _unsettled(webhook: Webhook, now: dt.datetime) -> bool:
    """Whether calls may be on their way in whose acceptors did not see the webhook."""
    return webhook.created_at <= now < webhook.created_at + SETTLING


def _hand_out(replay: Replay, now: dt.datetime) -> _Done:
    """Owes the next calls to the webhook, as if they were accepted now."""
    webhook, range_ = replay.webhook, walk(replay)
    if _unsettled(webhook, now):
        settled = Q(pk__lt=first_id_at(webhook.created_at - SETTLING))
        range_ = replace(range_, rows=range_.rows.filter(settled))
    keys, until = _look(range_, replay.cursor)
    # Whoever asks for calls gets them: switched off, it holds them.
    route = replace(route_of(webhook.pk), takes_calls=True)
    most, sent, looked_at = step_size(replay.per_second), 0, 0
    owing: dict[UUID, Owing] = {}
    for key, tenant_id, contents in _contents(keys, route):
        of_tenant = owing.setdefault(tenant_id, Owing(tenant_id, now))
        sent += sum(owe(of_tenant, [route], call) for call in contents)
        looked_at += 1
        if sent >= most and key != keys[-1]:
            until = key
            break
    for of_tenant in owing.values():
        write_owed(of_tenant)
    return _Done(looked_at, sent, until)


def _contents(
    keys: Sequence[UUID], route: Route
) -> Iterator[tuple[UUID, UUID, tuple[Call, ...]]]:
    """By call, in the order of `keys`: its tenant, and its contents not yet owed.

    The record as it was first accepted; for a webhook that is told of changes its
    revisions as well. What is owed is read last: who is accepting a revision now has
    committed both or neither.
    """
    calls = StoredCdr.objects.filter(pk__in=keys).order_by("pk")
    rows = list(calls.values_list("pk", "tenant_id", "call_end", "record"))
    changed = _revisions(keys) if route.on_update else {}
    owed = OwedCdr.objects.filter(
        webhook=route.webhook_id, cdr__in=keys, kind=OwedCdr.CDR
    )
    known = set(owed.values_list("cdr_id", "revision"))
    for key, tenant_id, call_end, record in rows:
        contents = [(0, record), *changed.get(key, [])]
        yield (
            key,
            tenant_id,
            tuple(
                Call(key, call_end, cdr_json.load(text), number)
                for number, text in contents
                if (key, number) not in known
            ),
        )


def _revisions(keys: Sequence[UUID]) -> dict[UUID, list[tuple[int, str]]]:
    found: dict[UUID, list[tuple[int, str]]] = defaultdict(list)
    rows = CdrRevision.objects.filter(cdr__in=keys).order_by("cdr_id", "number")
    for key, number, record in rows.values_list("cdr_id", "number", "record"):
        found[key].append((number, record))
    return found
