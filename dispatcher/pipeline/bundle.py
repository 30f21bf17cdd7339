"""Makes deliveries of owed CDRs that go out together: batches by size and age, feeds
by the clock.

Only rows that no delivery carries yet are bundled, and never into a delivery that
exists. The caller holds the webhook's row lock and a transaction, so that two drains
never bundle the same webhook at once. What one transaction makes is bounded: while it
lasts, the other webhooks of the process wait, and on SQLite everybody who writes.
Renders and sends nothing.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

import structlog
from django.db.models import Case, OuterRef, Q, Subquery, When
from django.db.models.functions import Coalesce, Length

from dispatcher.models import CdrRevision, Delivery, OwedCdr
from dispatcher.models.ids import uuid7
from dispatcher.payloads.registry import style
from dispatcher.pipeline import marks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import QuerySet

    from dispatcher.models import Webhook

    _Columns = tuple[int, dt.datetime, dt.datetime, int]

log = structlog.get_logger(__name__)

# PAYLOADS, feed: over so many items, a window goes out in several deliveries.
MAX_ITEMS: Final = 5000
# Of records in one delivery, in characters of their JSON: a body is in memory as often
# as it is under way. As many calls as a delivery may have, of 1.6 KB each.
MAX_CHARS: Final = 8_000_000
# What one transaction bundles; the rest is for the next, which comes at once.
MAX_ROWS: Final = 5000
MAX_DELIVERIES: Final = 100
# SQLite takes 999 parameters a statement.
CHUNK: Final = 900
# A row owed since a time further ahead than this: the clock was set back.
CLOCK_MARGIN: Final = dt.timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class _Owed:
    """An owed CDR that no delivery carries yet."""

    pk: int
    owed_at: dt.datetime
    call_end: dt.datetime
    chars: int


class RacedError(Exception):
    """Somebody else bundled the same rows, which the webhook's lock forbids."""


@dataclass(slots=True)
class _Made:
    """The deliveries that one transaction makes of a webhook's owed CDRs."""

    webhook: Webhook
    now: dt.datetime
    deliveries: int = 0
    rows: int = 0
    unwritten: list[tuple[Delivery, list[int]]] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        """Whether the rest is for the next transaction."""
        return self.deliveries >= MAX_DELIVERIES or self.rows >= MAX_ROWS

    def add(self, rows: Sequence[_Owed], *, call_end: dt.datetime) -> Delivery:
        """A delivery of these rows; `call_end` is its place among the others."""
        delivery = Delivery(
            id=uuid7(),
            webhook=self.webhook,
            tenant_id=self.webhook.tenant_id,
            created_at=self.now,
            next_attempt_at=self.now,
            call_end=call_end,
        )
        self.unwritten.append((delivery, [row.pk for row in rows]))
        self.deliveries += 1
        self.rows += len(rows)
        return delivery

    def write(self) -> None:
        """Saves the deliveries and has each carry its rows, which nobody carries yet."""
        made, self.unwritten = self.unwritten, []
        Delivery.objects.bulk_create(delivery for delivery, _ in made)
        for delivery, ids in made:
            taken = sum(
                OwedCdr.objects.filter(
                    pk__in=ids[start : start + CHUNK], delivery__isnull=True
                ).update(delivery=delivery)
                for start in range(0, len(ids), CHUNK)
            )
            if taken != len(ids):
                raise RacedError(str(delivery.webhook_id))
            log.info(
                "delivery.bundled",
                delivery=str(delivery.pk),
                webhook=str(delivery.webhook_id),
                kind=delivery.kind,
                cdrs=taken,
                sequence=delivery.sequence,
            )


def bundle(webhook: Webhook, now: dt.datetime) -> dt.datetime | None:
    """Makes the deliveries whose time has come; returns when to look again, if ever.

    A webhook whose style sends every CDR by itself has nothing to bundle.
    """
    kind = style(webhook.style).bundles
    if not kind:
        return None
    made = _Made(webhook, now)
    look_at = _batches(made) if kind == "size_and_age" else _windows(made)
    made.write()
    return look_at


def waiting(webhook: Webhook) -> QuerySet[OwedCdr]:
    """What the webhook is owed and no delivery carries."""
    return OwedCdr.objects.filter(OwedCdr.unbundled(), webhook=webhook)


def _rows(owed: QuerySet[OwedCdr], most: int) -> list[_Owed]:
    revision = CdrRevision.objects.filter(
        cdr=OuterRef("cdr"), number=OuterRef("revision")
    ).values_list(Length("record"))
    sized = owed.annotate(
        chars=Case(
            When(revision=0, then=Length("cdr__record")),
            default=Coalesce(Subquery(revision), 0),
        )
    )
    found = sized.values_list("pk", "owed_at", "call_end", "chars")[:most]
    # The times are set where a style bundles, and null only where it does not.
    return [_Owed(*cast("_Columns", columns)) for columns in found]


def _fitting(rows: Sequence[_Owed]) -> int:
    """How many of the rows, from the first on, one delivery carries; at least one."""
    chars = 0
    for count, row in enumerate(rows):
        chars += row.chars
        if count and chars > MAX_CHARS:
            return count
    return len(rows)


# Batches (thehub.txt; PAYLOADS: batch) --------------------------------------------------


def batch_is_old(owed_at: dt.datetime, seconds: int, now: dt.datetime) -> bool:
    """Whether a batch that began at `owed_at` is closed by its age."""
    age = now - owed_at
    return age >= dt.timedelta(seconds=seconds) or age < -CLOCK_MARGIN


def batch_is_full(webhook: Webhook, kind: str) -> bool:
    """Whether as many are owed as a batch may have, without reading them."""
    owed = waiting(webhook).filter(kind=kind).order_by("owed_at", "id")
    last = webhook.batch_size - 1
    return bool(owed.values_list("pk")[last : last + 1])


def _batches(made: _Made) -> dt.datetime | None:
    looks = [
        at
        for kind in (OwedCdr.CDR, OwedCdr.CALL_SUMMARY)
        if (at := _batches_of(made, kind)) is not None
    ]
    return min(looks, default=None)


def _batches_of(made: _Made, kind: str) -> dt.datetime | None:
    """Closes what is full or old; the rest is a batch that has begun."""
    size, seconds = made.webhook.batch_size, made.webhook.batch_seconds
    owed = waiting(made.webhook).filter(kind=kind).order_by("owed_at", "id")
    first = _rows(owed, 1)
    if not first:
        return None
    closes_at = first[0].owed_at + dt.timedelta(seconds=seconds)
    is_old = batch_is_old(first[0].owed_at, seconds, made.now)
    if not is_old and not batch_is_full(made.webhook, kind):
        return closes_at
    most = size * max(1, min(MAX_ROWS // size, MAX_DELIVERIES))
    rows = _rows(owed, most)
    start = 0
    while start < len(rows) and not made.is_full:
        batch = rows[start : start + size]
        fitting = _fitting(batch)
        is_closed = len(batch) == size or fitting < len(batch)
        began = batch[0].owed_at
        if not is_closed and not batch_is_old(began, seconds, made.now):
            return began + dt.timedelta(seconds=seconds)
        batch = batch[:fitting]
        delivery = made.add(batch, call_end=min(row.call_end for row in batch))
        delivery.kind = kind
        start += fitting
    return made.now if start < len(rows) or len(rows) == most else None


# Feeds (webex.txt; PAYLOADS: feed) ------------------------------------------------------


def _windows(made: _Made) -> dt.datetime:
    """Closes every window that the clock has passed, the earliest first; then late ones.

    What was missed while the system was down is made up here, window by window.
    """
    webhook, now = made.webhook, made.now
    closed_by = marks.closed_by(now)
    before = webhook.fed_until, webhook.fed_count
    fed = _fed_until(webhook, closed_by)
    while fed < closed_by and not made.is_full:
        fed, is_whole = _next_window(made, fed, closed_by)
        if not is_whole:
            break
    made.write()  # what is late is what no delivery carries now
    done = fed >= closed_by and _late(made, closed_by)
    webhook.fed_until = fed
    if (webhook.fed_until, webhook.fed_count) != before:
        webhook.save(update_fields=["fed_until", "fed_count"])
    return marks.mark_before(now) + marks.period() if done else now


def _fed_until(webhook: Webhook, closed_by: dt.datetime) -> dt.datetime:
    fed = webhook.fed_until
    if fed is None or fed > closed_by + marks.period():
        # Far ahead: the clock was set back. What has been sent is not sent again.
        return closed_by
    return marks.mark_before(fed)


def _next_window(
    made: _Made, fed: dt.datetime, closed_by: dt.datetime
) -> tuple[dt.datetime, bool]:
    """Closes the first window from `fed` on that is to be sent.

    Returns until when the feed is closed now, and False where a window of more calls
    than one delivery carries has some left.
    """
    due = waiting(made.webhook).filter(call_end__gte=fed, call_end__lt=closed_by)
    start = fed
    if not made.webhook.empty_windows:
        first = _rows(due.order_by("call_end", "id"), 1)
        if not first:
            return closed_by, True
        start = marks.mark_before(first[0].call_end)
    end = start + marks.period()
    in_window = due.filter(call_end__lt=end).order_by("call_end", "id")
    rows = _rows(in_window, MAX_ITEMS + 1)
    fitting = _fitting(rows[:MAX_ITEMS])
    _feed(made, rows[:fitting], start, call_end=start)
    return (end, True) if len(rows) <= fitting else (start, False)


def _late(made: _Made, closed_by: dt.datetime) -> bool:
    """Sends what came after its window had been sent, by the mark before `now`.

    False: there is more of it. Behind the windows of that mark: however many old calls
    are handed over, they do not hold up those of now.
    """
    mark = marks.mark_before(made.now)
    late = waiting(made.webhook).filter(
        Q(owed_at__lt=mark) | Q(owed_at__gt=made.now + CLOCK_MARGIN),
        call_end__lt=closed_by,
    )
    rows = _rows(late.order_by("call_end", "id"), MAX_ROWS)
    if made.webhook.late_records == "api_only":
        _leave_out(rows)
        return len(rows) < MAX_ROWS
    start = 0
    while start < len(rows) and not made.is_full:
        window = marks.mark_before(rows[start].call_end)
        end = start
        while end < len(rows) and rows[end].call_end < window + marks.period():
            end += 1
        end = start + _fitting(rows[start:end])
        _feed(made, rows[start:end], window, call_end=closed_by, late=True)
        start = end
    return start == len(rows) < MAX_ROWS


def _leave_out(rows: Sequence[_Owed]) -> None:
    ids = [row.pk for row in rows]
    for start in range(0, len(ids), CHUNK):
        OwedCdr.objects.filter(pk__in=ids[start : start + CHUNK]).update(
            left_out=OwedCdr.LATE
        )


def _feed(
    made: _Made,
    rows: Sequence[_Owed],
    start: dt.datetime,
    *,
    call_end: dt.datetime,
    late: bool = False,
) -> None:
    """One delivery of a feed; it gets the next number."""
    made.webhook.fed_count += 1
    delivery = made.add(rows, call_end=call_end)
    delivery.window_start, delivery.window_end = start, start + marks.period()
    delivery.sequence, delivery.late = made.webhook.fed_count, late
