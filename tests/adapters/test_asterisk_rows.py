"""Asterisk's rows by column name, as AMI, tables and the dialplan have them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

import pytest

from dispatcher.adapters.base import PLAIN, Read, Undecodable
from dispatcher.adapters.rows import ROWS, row_reader
from dispatcher.values import Caller, Line, Recording

EVENTS = Path(__file__).parents[1] / "samples/asterisk/real_run1_ami_cdr_events.txt"
LONDON = dataclasses.replace(PLAIN, zone="Europe/London")
BERLIN = dataclasses.replace(PLAIN, zone="Europe/Berlin")
ROW = {
    "calldate": "2026-06-01 10:00:00",
    "src": "1001",
    "dst": "202",
    "duration": 12,
    "billsec": 7,
    "disposition": "ANSWERED",
    "uniqueid": "1780300800.4",
    "sequence": 4,
}


def events():
    """The recorded AMI events, as what an AMI client makes of them."""
    for event in EVENTS.read_bytes().decode().split("\r\n\r\n"):
        lines = [line.partition(":") for line in event.split("\r\n") if line]
        if lines:
            yield {name: value.strip() for name, _, value in lines}


def cdr(row, rules=PLAIN):
    item = ROWS["asterisk"].read(row, rules)
    assert isinstance(item, Read)
    return item.cdr


def utc(month: int, day: int, hour: int, minute: int = 0, second: int = 0):
    return dt.datetime(2026, month, day, hour, minute, second, tzinfo=dt.UTC)


def test_every_recorded_ami_event_is_a_call_of_its_own():
    cdrs = [cdr(event) for event in events()]

    assert len({one.uid for one in cdrs}) == len(cdrs) == 23
    assert {one.disposition for one in cdrs} == {
        *("answered", "busy", "failed", "no_answer")
    }


def test_an_ami_event_tells_what_master_csv_does():
    one = next(cdr(e) for e in events() if e["UniqueID"] == "1795392552.7")

    assert one.call_id == "1795392552.6"
    assert one.caller == Caller(number="442031703746", name='Bob ""Q"" O\'Neil')
    assert (one.started_at, one.answered_at) == (
        utc(11, 23, 0, 9, 12),
        utc(11, 23, 0, 9, 13),
    )
    assert (one.duration, one.ring_duration, one.talk_duration) == (5, 1, 4)
    assert one.legs.answered.device == Line(number="200")
    assert one.extra is not None
    assert one.extra["asterisk"]["userfield"] == 'note "with, quotes", naïve'


def test_two_rows_of_one_unique_id_without_a_sequence_are_told_apart_the_same_each_time():
    rows = [event for event in events() if event["UniqueID"] == "1795392553.11"]

    uids = [cdr(row).uid for row in rows]

    assert len(set(uids)) == 2
    assert all(uid.startswith("1795392553.11+") for uid in uids)
    assert [cdr(row, BERLIN).uid for row in rows] == uids


def test_a_table_may_call_the_start_calldate_and_have_neither_answer_nor_end():
    one = cdr(ROW)

    assert one.uid == "1780300800.4-4"
    assert (one.started_at, one.ended_at) == (utc(6, 1, 10), utc(6, 1, 10, 0, 12))
    assert one.answered_at == utc(6, 1, 10, 0, 5)


@pytest.mark.parametrize(
    "start",
    [
        "2026-06-01 10:00:00",
        "2026-06-01T10:00:00.250",
        dt.datetime(2026, 6, 1, 10),  # noqa: DTZ001  as drivers give them
        "2026-06-01 09:00:00+00",
        "2026-06-01T09:00:00+0000",
        dt.datetime(2026, 6, 1, 9, tzinfo=dt.UTC),
        1780304400,
        1780304400.0,
        Decimal(1780304400),
        "1780304400.000000",
        1780304400000,
    ],
)
def test_a_driver_may_tell_a_time_in_any_of_these_ways(start):
    assert cdr({**ROW, "calldate": start}, LONDON).started_at == utc(6, 1, 9)


@pytest.mark.parametrize("unset", [None, "", "0000-00-00 00:00:00", 0, "0.000000"])
def test_a_time_that_is_unset_is_unknown(unset):
    row = {**ROW, "answer": unset, "disposition": "NO ANSWER"}

    assert cdr(row).answered_at is None


@pytest.mark.parametrize("start", [None, "yesterday", "2026-02-30 10:00:00", -1, "1e9"])
def test_a_row_without_a_start_that_exists_is_refused_with_its_columns(start):
    item = ROWS["asterisk"].read({**ROW, "calldate": start}, PLAIN)

    assert isinstance(item, Undecodable)
    assert [error.field for error in item.errors] == ["start"]
    assert json.loads(item.body)["dst"] == "202"


def test_the_unique_id_tells_which_of_two_equal_hours_it_was():
    row = {**ROW, "calldate": "2026-10-25 01:30:00", "sequence": 1}

    first = cdr({**row, "uniqueid": "1792888200.1"}, LONDON)
    second = cdr({**row, "uniqueid": "1792891800.1"}, LONDON)

    assert (first.started_at, second.started_at) == (
        utc(10, 25, 0, 30),
        utc(10, 25, 1, 30),
    )
    assert second.extra is not None
    assert second.extra["asterisk"]["clock"] == "resolved"


def test_columns_of_freepbx_are_understood():
    more = {"did": "442039702436", "cnam": "Ann", "recordingfile": "in-202.wav"}
    one = cdr({**ROW, **more, "dcontext": "ext-local", "dst": "202"})

    assert one.direction == "inbound"
    assert one.dialed == Line(number="442039702436")
    assert one.caller.name == "Ann"
    assert one.recordings == (Recording(id="in-202.wav"),)
    assert one.extra is not None
    assert one.extra["asterisk"]["dst"] == "202"


def test_a_column_that_nobody_knows_is_kept():
    one = cdr({**ROW, "Tariff": Decimal("0.12")})

    assert one.extra is not None
    assert one.extra["asterisk"]["tariff"] == "0.12"


def test_names_may_be_those_of_the_dialplan():
    row = {"CDR(start)": "1780304400.25", "CDR(src)": "1001", "CDR(uniqueid)": "a.1"}

    assert cdr({**row, "HANGUPCAUSE": "17"}).hangup_cause_code == 17


ODD = [["list"], {"a": 1}, True, float("nan"), "\ud800", 10**5000, "\0", "x" * 600]


@pytest.mark.parametrize("place", range(len(ODD)))
def test_a_value_of_a_kind_that_no_column_has_is_refused_not_raised(place):
    item = ROWS["asterisk"].read({**ROW, "src": ODD[place]}, PLAIN)

    assert isinstance(item, Undecodable)
    assert item.errors[0].field == "src"


def test_it_says_which_columns_a_table_lacks():
    reader = ROWS["asterisk"]

    assert reader.missing(["ID", "CallDate", "src"]) == ()
    assert reader.missing(["src"]) == ("start",)


def test_readers_are_found_by_name():
    assert all(reader.name == name for name, reader in ROWS.items())
    assert row_reader("kamailio") is ROWS["kamailio"]
    assert row_reader("no-such-pbx") is None
