"""Times without a zone, read in a source's own, hours of clock changes included."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.adapters.zones import local_moment, local_moments

LONDON = "Europe/London"
YEARS = (
    dt.datetime(1971, 1, 1),  # noqa: DTZ001  as a clock on a wall shows it
    dt.datetime(2100, 1, 1),  # noqa: DTZ001
)


def utc(text):
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "zone", "moment", "mark"),
    [
        ("2026-07-01 12:00:00", LONDON, "2026-07-01 11:00:00", ""),
        ("2026-01-01 12:00:00", "UTC", "2026-01-01 12:00:00", ""),
        ("2026-01-01 12:00:00", "Asia/Kathmandu", "2026-01-01 06:15:00", ""),
        # Clocks go from 02:00 back to 01:00, and from 01:00 on to 02:00.
        ("2026-10-25 01:30:00", LONDON, "2026-10-25 00:30:00", "ambiguous"),
        ("2026-10-25 02:00:00", LONDON, "2026-10-25 02:00:00", ""),
        ("2026-03-29 01:30:00", LONDON, "2026-03-29 01:30:00", "missing"),
        ("2026-03-29 02:00:00", LONDON, "2026-03-29 01:00:00", ""),
        # Half an hour, in the middle of one.
        ("2026-04-05 01:29:59", "Australia/Lord_Howe", "2026-04-04 14:29:59", ""),
        (
            "2026-04-05 01:30:00",
            "Australia/Lord_Howe",
            "2026-04-04 14:30:00",
            "ambiguous",
        ),
        # A whole day was left out.
        ("2011-12-30 12:00:00", "Pacific/Apia", "2011-12-30 22:00:00", "missing"),
    ],
)
def test_a_local_time_means_a_moment_and_is_marked_where_it_is_doubtful(
    text, zone, moment, mark
):
    assert local_moment(text, zone) == (utc(moment), mark)


def test_the_first_format_that_fits_reads_it():
    formats = ("%d/%m/%Y %H:%M:%S.%f", "%d/%m/%Y %H:%M")

    moment, mark = local_moment("01/07/2026 12:00", LONDON, formats=formats)

    assert (moment, mark) == (utc("2026-07-01 11:00:00"), "")


def test_a_time_that_brings_its_offset_needs_no_zone():
    moment, mark = local_moment(
        "2026-10-25T01:30:00+0100", LONDON, formats=("%Y-%m-%dT%H:%M:%S%z",)
    )

    assert (moment, mark) == (utc("2026-10-25 00:30:00"), "")
    assert moment.tzinfo is dt.UTC


@pytest.mark.parametrize(
    ("text", "zone", "message"),
    [
        ("", LONDON, "is not written as %Y-%m-%d %H:%M:%S"),
        ("0000-00-00 00:00:00", LONDON, "is no time that exists"),
        ("2026-02-30 00:00:00", LONDON, "is no time that exists"),
        ("٢٠٢٦-01-01 00:00:00", LONDON, "is not written as"),
        ("2026-W01-1 10:11:12", LONDON, "is not written as"),
        ("2026-01-01 00:00:00", "Atlantis/Capital", "there is no time zone"),
        ("2026-01-01 00:00:00", "../../etc/passwd", "there is no time zone"),
        ("2026-01-01 00:00:00", "", "there is no time zone"),
        ("0001-01-01 00:00:00", "Asia/Tokyo", "beyond the calendar's ends"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_clear_message(text, zone, message):
    with pytest.raises(ValueError, match=message):
        local_moment(text, zone)


@given(
    st.datetimes(*YEARS),
    st.sampled_from([LONDON, "America/St_Johns", "Australia/Lord_Howe", "UTC"]),
)
def test_it_reads_as_zoneinfo_does(naive, zone):
    naive = naive.replace(microsecond=0)

    moment, _ = local_moment(str(naive), zone)

    assert moment == naive.replace(tzinfo=ZoneInfo(zone)).astimezone(dt.UTC)


def test_an_end_before_its_start_was_the_second_time_of_that_hour():
    moments = local_moments("2026-10-25 01:50:00", None, "2026-10-25 01:10:00", LONDON)

    assert moments == (
        utc("2026-10-25 00:50:00"),
        None,
        utc("2026-10-25 01:10:00"),
        "resolved",
    )


def test_the_duration_tells_which_of_the_two_hours_it_was():
    moments = local_moments(
        "2026-10-25 01:50:00",
        "2026-10-25 01:51:00",
        "2026-10-25 02:10:00",
        LONDON,
        duration=20 * 60,
    )

    assert moments.start == utc("2026-10-25 01:50:00")
    assert moments.answer == utc("2026-10-25 01:51:00")
    assert moments.mark == "resolved"


def test_without_anything_that_decides_the_first_is_taken_and_marked():
    moments = local_moments(
        "2026-10-25 01:10:00", "", "2026-10-25 01:50:00", LONDON, duration=40 * 60
    )

    assert (moments.start, moments.end) == (
        utc("2026-10-25 00:10:00"),
        utc("2026-10-25 00:50:00"),
    )
    assert moments.mark == "ambiguous"


def test_an_order_that_no_hour_explains_is_left_as_it_is():
    moments = local_moments("2026-10-25 01:50:00", None, "2026-10-24 12:00:00", LONDON)

    assert moments.end == utc("2026-10-24 11:00:00")
    assert moments.mark == "ambiguous"


def test_a_time_that_does_not_exist_marks_the_record():
    moments = local_moments("2026-03-29 00:59:00", None, "2026-03-29 01:01:00", LONDON)

    assert moments.mark == "missing"
    assert moments.end == utc("2026-03-29 01:01:00")


def test_a_record_without_a_start_is_refused():
    with pytest.raises(ValueError, match="no time of the start"):
        local_moments("", None, "2026-03-29 01:01:00", LONDON)
