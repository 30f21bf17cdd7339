"""A source that is silent for longer than is usual is noticed once, and so is its return."""

from __future__ import annotations

import datetime as dt
import random
from typing import TYPE_CHECKING, Any

import pytest

from dispatcher.models import Notice, RawRecord, Source, StoredCdr
from dispatcher.models.ids import first_id_at
from dispatcher.pipeline import notify, silence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dispatcher.models import Tenant

pytestmark = [pytest.mark.db, pytest.mark.django_db]

MINUTE, HOUR = dt.timedelta(minutes=1), dt.timedelta(hours=1)


@pytest.fixture(autouse=True)
def told(settings: Any) -> None:
    settings.CDRHOOK_OPERATIONS_EMAILS = ["operators@example.com"]


@pytest.fixture
def source(acme: Tenant, now: dt.datetime) -> Source:
    """A switch that was set up long ago."""
    made = Source.objects.create(tenant=acme, name="switch-1", pbx="freeswitch")
    Source.objects.update(updated_at=now - 30 * 24 * HOUR)
    return made


def records(source: Source, moments: Iterable[dt.datetime]) -> None:
    """Calls of a source that were accepted at these times, each its own."""
    calls = [
        StoredCdr(
            id=first_id_at(at),
            tenant=source.tenant,
            uid=f"{source.pk}-{at.timestamp()}",
            source=source.pbx,
            record="{}",
            started_at=at,
            call_end=at,
            accepted_at=at,
        )
        for at in moments
    ]
    StoredCdr.objects.bulk_create(calls)
    RawRecord.objects.bulk_create(
        RawRecord(cdr=call, source=source, packed=b"\0") for call in calls
    )


def every(gap: dt.timedelta, count: int, until: dt.datetime) -> list[dt.datetime]:
    return [until - number * gap for number in range(count)]


def look(now: dt.datetime, since: dt.datetime | None = None) -> None:
    silence.watch(now, watched_since=since or now - 30 * 24 * HOUR)


def kinds() -> list[str]:
    return list(Notice.objects.order_by("id").values_list("kind", flat=True))


# What is normal -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gap", "count", "limit"),
    [
        (MINUTE, 100, 15 * MINUTE),
        (HOUR, 100, 3 * HOUR),
        (HOUR, 21, 3 * HOUR),
        (12 * HOUR, 30, 36 * HOUR),
        (HOUR, 2, 3 * HOUR),
        (MINUTE, 2, 15 * MINUTE),
        (HOUR, 1, None),
        (8 * 24 * HOUR, 3, None),
    ],
)
def test_three_times_the_usual_gap_is_too_long(
    source: Source,
    now: dt.datetime,
    gap: dt.timedelta,
    count: int,
    limit: dt.timedelta | None,
):
    records(source, every(gap, count, now))

    assert silence.limit_of(source.pk, now) == limit


def test_a_gap_that_is_rare_is_not_usual(source: Source, now: dt.datetime):
    records(source, every(10 * MINUTE, 150, now))
    records(source, every(10 * MINUTE, 150, now - 4 * 24 * HOUR))

    assert silence.limit_of(source.pk, now) == 30 * MINUTE


def test_the_percentile_is_that_of_sorting_them_all(now: dt.datetime):
    chosen = random.Random(7)  # noqa: S311  no secret
    for count in (1, 2, 99, 100, 101, 1234):
        gaps = [chosen.randrange(10_000) for _ in range(count)]
        at, times = 10**9, [10**9]
        for gap in gaps:
            at -= gap
            times.append(at)
        rank = -(-99 * count // 100)
        assert silence.percentile(times) == (count, sorted(gaps)[rank - 1])


def test_with_very_many_records_the_limit_is_the_shortest(
    source: Source, now: dt.datetime, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(silence, "MOST_GAPS", 25)
    records(source, every(HOUR, 30, now))

    assert silence.MOST_GAPS < 30
    assert silence.limit_of(source.pk, now) == silence.SHORTEST


def test_a_limit_is_worked_out_once_an_hour(source: Source, now: dt.datetime):
    records(source, every(HOUR, 21, now))
    look(now)
    records(source, every(MINUTE / 60, 2100, now - MINUTE / 120))
    look(now + 59 * MINUTE)
    source.refresh_from_db()
    assert source.silence_limit == 3 * 3600

    look(now + 60 * MINUTE)

    source.refresh_from_db()
    assert (source.silence_limit, source.silence_judged_at) == (900, now + HOUR)


# Silent, and heard of again -----------------------------------------------------------


def test_silence_and_the_first_record_after_it_are_told_once_each(
    source: Source, now: dt.datetime
):
    records(source, every(HOUR, 50, now))
    for minutes in (0, 179, 180):
        look(now + minutes * MINUTE)
    assert kinds() == []

    for minutes in (181, 182, 300):
        look(now + minutes * MINUTE)
    source.refresh_from_db()
    assert (kinds(), source.silent_since) == (["silent"], now)

    records(source, [now + 301 * MINUTE])
    for minutes in (302, 303):
        look(now + minutes * MINUTE)

    source.refresh_from_db()
    assert (kinds(), source.silent_since) == (["silent", "heard"], None)
    assert Notice.objects.get(kind="heard").details["silent_for_minutes"] == 301


def test_the_limit_stays_while_it_is_silent(source: Source, now: dt.datetime):
    records(source, every(HOUR, 50, now))
    look(now)
    for days in range(1, 10):
        look(now + days * 24 * HOUR)

    source.refresh_from_db()
    assert (kinds(), source.silence_limit) == (["silent"], 3 * 3600)


def test_a_silence_that_has_ended_is_usual_from_then_on(
    source: Source, now: dt.datetime
):
    records(source, every(MINUTE, 2, now))
    look(now)
    look(now + 16 * MINUTE)
    records(source, [now + 20 * MINUTE])
    look(now + 20 * MINUTE)

    look(now + 21 * MINUTE)
    look(now + 50 * MINUTE)

    source.refresh_from_db()
    assert (kinds(), source.silence_limit) == (["silent", "heard"], 3600)


@pytest.mark.parametrize("values", [{"active": False}, {"alert_when_silent": False}])
def test_whoever_is_to_be_left_alone_is_not_silent(
    source: Source, now: dt.datetime, values: dict[str, bool]
):
    records(source, every(HOUR, 50, now))
    look(now)
    look(now + 4 * HOUR)
    Source.objects.update(**values)

    look(now + 5 * HOUR)

    source.refresh_from_db()
    assert (kinds(), source.silent_since) == (["silent"], None)


def test_changed_settings_begin_the_silence_anew(source: Source, now: dt.datetime):
    records(source, every(HOUR, 50, now))
    look(now)
    Source.objects.update(updated_at=now + 2 * HOUR)

    look(now + 4 * HOUR)
    assert kinds() == []

    look(now + 6 * HOUR)
    assert kinds() == ["silent"]


def test_sources_are_judged_by_their_own_records(
    source: Source, globex: Tenant, now: dt.datetime
):
    other = Source.objects.create(tenant=globex, name="other", pbx="freeswitch")
    Source.objects.update(updated_at=now - 24 * HOUR)
    records(source, every(HOUR, 50, now))
    records(other, every(MINUTE, 50, now + MINUTE / 2))
    look(now)

    look(now + HOUR)

    assert list(Notice.objects.values_list("source__name", flat=True)) == ["other"]


# Clocks -------------------------------------------------------------------------------


def test_a_silence_that_was_not_watched_is_none(source: Source, now: dt.datetime):
    records(source, every(MINUTE, 50, now))
    look(now)
    later = now + 5 * HOUR

    look(later, since=later)  # cdrhook was down, or its clock set forward
    look(later + 15 * MINUTE, since=later)
    assert kinds() == []

    look(later + 16 * MINUTE, since=later)
    assert kinds() == ["silent"]


def test_a_clock_that_is_set_back_raises_no_alarm_and_hides_no_silence(
    source: Source, now: dt.datetime
):
    records(source, every(MINUTE, 50, now + 5 * HOUR))  # it was five hours ahead
    records(source, every(MINUTE, 50, now - 6 * HOUR))
    look(now, since=now)
    assert kinds() == []

    look(now + 16 * MINUTE, since=now)
    assert kinds() == ["silent"]

    records(source, [now + 17 * MINUTE])
    look(now + 18 * MINUTE, since=now)
    assert kinds() == ["silent", "heard"]


def test_a_source_that_fell_silent_before_the_clock_was_set_back_is_heard_of(
    source: Source, now: dt.datetime
):
    ahead = now + 5 * HOUR
    records(source, every(MINUTE, 50, ahead))
    look(ahead)
    look(ahead + HOUR)

    look(now, since=now)
    records(source, [now + MINUTE])
    look(now + 2 * MINUTE, since=now)

    assert kinds() == ["silent", "heard"]


# What is told -------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_operators_read_which_source_it_is(
    source: Source, now: dt.datetime, mailoutbox: list[Any]
):
    records(source, every(HOUR, 50, now))
    look(now)
    look(now + 4 * HOUR)

    notify.tell(clock=lambda: now + 4 * HOUR)

    [sent] = mailoutbox
    assert sent.subject == "[cdrhook] source switch-1 of acme is silent"
    assert "The source switch-1 of acme (freeswitch) is silent at" in sent.body
    assert f"/admin/dispatcher/source/{source.pk}/change/" in sent.body
    assert "alert after minutes: 180" in sent.body
