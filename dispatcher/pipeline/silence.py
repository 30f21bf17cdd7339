"""Notices when a source has been silent for too long, and when it is heard of again.

The constraints, and what follows from them:

1. What is normal differs: a call centre is silent for seconds, a small office for a
   weekend. Therefore a silence is judged by the source's own gaps: three times their 99th
   percentile over the last 7 days, and at least 15 minutes. Of fewer than 100 gaps that
   is the longest: two calls a day must be missed as well. Without a gap nothing can be
   said, and nobody is told.
2. It must cost little, with millions of records. Ids hold the time, and are in an index:
   the last record of each source is one look-up, and limits are worked out anew about
   once an hour, some at a time. A hundredth of the gaps is at least as long as their 99th
   percentile, and all of them are 7 days together: with more than MOST_GAPS the limit is
   15 minutes, whatever they are, so that no more are read.
3. The clock may be set, and cdrhook may have been down itself. Therefore a silence counts
   only while it was watched, and a record from the future says nothing of when it came.
4. Operators are told once. Whoever changes `silent_since`, by compare-and-set, leaves
   word in the same transaction.
5. While a source is silent its limit stays, or a silence of a week would become normal.
"""

from __future__ import annotations

import datetime as dt
import heapq
from typing import TYPE_CHECKING, Any, Final

import structlog
from django.db import connection, transaction
from django.db.models import F, OuterRef, Q, Subquery, UUIDField

from dispatcher.models import RawRecord, Source
from dispatcher.models.ids import first_id_at, moment_of
from dispatcher.pipeline.notices import leave_word

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from uuid import UUID

log = structlog.get_logger(__name__)

SHORTEST: Final = dt.timedelta(minutes=15)
WINDOW: Final = dt.timedelta(days=7)
TIMES: Final = 3
# A hundredth of so many gaps of SHORTEST / TIMES each is all of WINDOW.
MOST_GAPS: Final = 100 * (WINDOW // (SHORTEST / TIMES))
JUDGED_EVERY: Final = dt.timedelta(hours=1)
# Limits that are worked out in one round.
JUDGED_TOGETHER: Final = 20
TOGETHER: Final = 500
# How far processes' clocks may be apart; later than that is the future.
CLOCK_MARGIN: Final = dt.timedelta(minutes=1)


def watch(now: dt.datetime, *, watched_since: dt.datetime) -> None:
    """One round over all sources, to be made each minute.

    `watched_since`: since when rounds have been made without a pause.
    """
    _stop_watching()
    _judge(now)
    for source in _watched(now):
        if source.silent_since is not None:
            _listen(source, now)
        elif (silence := _silence(source, now, watched_since)) is not None:
            _note_silence(source, now, silence)


def _listening() -> Q:
    return Q(active=True, alert_when_silent=True)


def _stop_watching() -> None:
    """A source that was switched off, or is to be left alone, is not silent."""
    Source.objects.filter(~_listening(), silent_since__isnull=False).update(
        silent_since=None
    )


# What is normal ---------------------------------------------------------------------------


def _judge(now: dt.datetime) -> None:
    """Works out the limits that are old, those first that have none."""
    at = F("silence_judged_at")
    is_old = (
        Q(silence_judged_at__isnull=True)
        | Q(silence_judged_at__lte=now - JUDGED_EVERY)
        | Q(silence_judged_at__gt=now + CLOCK_MARGIN)
    )
    rows = Source.objects.filter(is_old, _listening(), silent_since__isnull=True)
    keys = rows.order_by(at.asc(nulls_first=True)).values_list("pk", flat=True)
    for key in list(keys[:JUDGED_TOGETHER]):
        limit = limit_of(key, now)
        Source.objects.filter(pk=key).update(
            silence_limit=limit and int(limit.total_seconds()), silence_judged_at=now
        )


def limit_of(source_id: UUID, now: dt.datetime) -> dt.timedelta | None:
    """How long a source may be silent; None: no two records came."""
    since, until = first_id_at(now - WINDOW), first_id_at(now + CLOCK_MARGIN)
    gaps, gap_ms = _percentile(source_id, since, until)
    if gap_ms is None:
        return None
    if gaps > MOST_GAPS:
        return SHORTEST
    return max(SHORTEST, TIMES * dt.timedelta(milliseconds=gap_ms))


def _percentile(source_id: UUID, since: UUID, until: UUID) -> tuple[int, int | None]:
    """How many gaps there are, and the shortest that 99 of 100 do not exceed, in ms."""
    if connection.vendor == "postgresql":
        return _percentile_in_sql(source_id, since, until)
    keys = RawRecord.objects.filter(
        source=source_id, cdr_id__gte=since, cdr_id__lt=until
    ).order_by("-cdr_id")
    newest = keys.values_list("cdr_id", flat=True)[: MOST_GAPS + 2]
    return percentile(key.int >> 80 for key in newest.iterator(chunk_size=2000))


# The first 48 bits of an id of version 7 are its milliseconds.
_GAPS: Final = """
WITH heard AS (
    SELECT ('x' || left(replace(cdr_id::text, '-', ''), 12))::bit(48)::bigint AS ms
    FROM dispatcher_rawrecord
    WHERE source_id = %s AND cdr_id >= %s AND cdr_id < %s
    ORDER BY cdr_id DESC LIMIT %s
), between_them AS (
    SELECT ms - lag(ms) OVER (ORDER BY ms) AS gap FROM heard
)
SELECT count(gap), percentile_disc(0.99) WITHIN GROUP (ORDER BY gap) FROM between_them
"""


def _percentile_in_sql(
    source_id: UUID, since: UUID, until: UUID
) -> tuple[int, int | None]:
    with connection.cursor() as cursor:
        cursor.execute(_GAPS, [source_id, since, until, MOST_GAPS + 2])
        count, gap = cursor.fetchone()
    return count, gap


def percentile(newest_first: Iterable[int]) -> tuple[int, int | None]:
    """The same of times in milliseconds; keeps a hundredth of the gaps in memory."""
    count, longest, later = 0, list[int](), None
    for at in newest_first:
        if later is not None:
            count += 1
            _keep(longest, later - at)
        later = at
    if not count:
        return 0, None
    rank = -(-99 * count // 100)
    return count, sorted(longest, reverse=True)[count - rank]


def _keep(longest: list[int], gap: int) -> None:
    if len(longest) <= MOST_GAPS // 100 + 1:
        heapq.heappush(longest, gap)
    else:
        heapq.heappushpop(longest, gap)


# Who is silent ----------------------------------------------------------------------------


def _watched(now: dt.datetime) -> Iterator[Any]:
    """Sources that have a limit, with the id of the last record that has come."""
    heard = RawRecord.objects.filter(
        source=OuterRef("pk"), cdr_id__lt=first_id_at(now + CLOCK_MARGIN)
    ).order_by("-cdr_id")
    rows = (
        Source.objects.filter(_listening(), silence_limit__isnull=False)
        .annotate(
            last_id=Subquery(heard.values("cdr_id")[:1], output_field=UUIDField())
        )
        .only("silence_limit", "silent_since", "updated_at")
        .order_by("pk")
    )
    some = list(rows[:TOGETHER])
    while some:
        yield from some
        some = list(rows.filter(pk__gt=some[-1].pk)[:TOGETHER])


def _heard(source: Any) -> dt.datetime | None:
    return None if source.last_id is None else moment_of(source.last_id)


def _silence(
    source: Any, now: dt.datetime, watched_since: dt.datetime
) -> dt.datetime | None:
    """Since when it has been silent, if that is too long; None: it is not.

    Its settings count as a record: whoever changes them may have switched it on.
    """
    heard = _heard(source)
    known = [min(one, now) for one in (heard, watched_since, source.updated_at) if one]
    limit = dt.timedelta(seconds=source.silence_limit)
    return (heard or max(known)) if now - max(known) > limit else None


def _note_silence(source: Any, now: dt.datetime, since: dt.datetime) -> None:
    with transaction.atomic():
        changed = Source.objects.filter(
            _listening(), pk=source.pk, silent_since__isnull=True
        ).update(silent_since=since)
        if changed:
            details = {
                "silent_since": since.isoformat(timespec="seconds"),
                "alert_after_minutes": source.silence_limit // 60,
            }
            leave_word("silent", now, details, source_id=source.pk)
    if changed:
        log.warning("source.silent", source=str(source.pk), since=since.isoformat())


def _listen(source: Any, now: dt.datetime) -> None:
    """Ends the silence with the first record after it began."""
    heard, since = _heard(source), source.silent_since
    mine = Source.objects.filter(pk=source.pk, silent_since=since)
    if since > now + CLOCK_MARGIN:
        # Written before the clock was set back: records of now would be earlier.
        mine.update(silent_since=now)
        return
    if heard is None or heard <= since:
        return
    with transaction.atomic():
        # What was too long until now may be usual from now on.
        changed = mine.update(silent_since=None, silence_judged_at=None)
        if changed:
            minutes = int((heard - since).total_seconds()) // 60
            details = {
                "silent_since": since.isoformat(timespec="seconds"),
                "silent_for_minutes": minutes,
            }
            leave_word("heard", now, details, source_id=source.pk)
    if changed:
        log.info("source.heard", source=str(source.pk))
