"""Master.csv of mod_cdr_csv, template `example`."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.adapters.base import Read, Undecodable
from dispatcher.adapters.formats import FORMATS
from dispatcher.adapters.freeswitch import FreeSwitch
from dispatcher.values import Caller, Line, SourceRules

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = Path(__file__).parents[1] / "samples" / "freeswitch"
MASTER = (FOLDER / "real_mod_cdr_csv_Master.csv").read_bytes()
ROW = MASTER.splitlines(keepends=True)[0]
CSV = FORMATS["freeswitch-csv"]


def read(data: bytes, zone: str = "UTC") -> Sequence[Read | Undecodable]:
    records, taken = CSV.cut(data, is_end=True)
    assert taken == len(data)
    return CSV.read(records, rules=SourceRules(zone=zone))


def one(data: bytes, zone: str = "UTC") -> Read:
    [item] = read(data, zone)
    assert isinstance(item, Read)
    return item


def refused(data: bytes) -> str:
    [item] = read(data)
    assert isinstance(item, Undecodable)
    assert item.body == data
    return item.reason


def test_every_row_is_a_leg(sample):
    assert len(read(MASTER)) == 8
    assert all(isinstance(item, Read) for item in read(MASTER))


def test_a_row_has_the_uid_that_the_leg_has_on_the_wire(sample):
    [posted] = FreeSwitch().decode(sample("mod_format_cdr_appljson_busy.body"))
    assert isinstance(posted, Read)

    [row] = [
        i for i in read(MASTER) if isinstance(i, Read) and i.cdr.uid == posted.cdr.uid
    ]

    assert row.is_excerpt
    assert not posted.is_excerpt
    assert (row.cdr.caller, row.cdr.dialed) == (posted.cdr.caller, posted.cdr.dialed)
    assert row.cdr.disposition == posted.cdr.disposition == "busy"
    assert row.cdr.duration == posted.cdr.duration


def test_a_row_keeps_what_the_columns_tell():
    item = one(ROW)

    assert item.raw == ROW
    assert item.cdr.caller == Caller(number="1001", name="Bob")
    assert item.cdr.dialed == Line(number="442039702440")
    assert item.cdr.answered_at == dt.datetime(2026, 11, 23, 0, 15, 23, tzinfo=dt.UTC)
    assert (item.cdr.duration, item.cdr.talk_duration) == (3, 3)
    assert item.cdr.extra == {
        "freeswitch": {
            "accountcode": "acme",
            "context": "default",
            "read_codec": "L16",
            "write_codec": "L16",
        }
    }


def test_times_are_of_the_sources_zone():
    cdr = one(ROW, "America/New_York").cdr

    assert cdr.started_at == dt.datetime(2026, 11, 23, 5, 15, 23, tzinfo=dt.UTC)


def test_an_hour_that_comes_twice_is_marked():
    row = ROW.replace(b"2026-11-23 00:15", b"2026-11-01 01:15")

    cdr = one(row, "America/New_York").cdr

    assert cdr.started_at == dt.datetime(2026, 11, 1, 5, 15, 23, tzinfo=dt.UTC)
    assert cdr.extra is not None
    assert cdr.extra["freeswitch"]["clock"] == "ambiguous"


def test_a_leg_that_nobody_answered_has_no_time_of_it():
    answer = b'"2026-11-23 00:15:23","2026-11-23 00:15:26","3","3","NORMAL_CLEARING"'

    cdr = one(ROW.replace(answer, b'"","2026-11-23 00:15:26","3","0","NO_ANSWER"')).cdr

    assert (cdr.answered_at, cdr.disposition) == (None, "no_answer")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b'"Bob"', b'"Bob "B" Roe"', "row: 15 columns, or a quote in one: mod_cdr_csv"),
        (b'"Bob"', b'"A","B"', "row: 16 columns, or a quote in one: mod_cdr_csv"),
        (b'"Bob"', b'"A","', "row: 15 columns, or a quote in one: mod_cdr_csv"),
        (b',"L16"\n', b"\n", "row: 14 columns, where mod_cdr_csv's template example"),
        (ROW, b'INSERT INTO cdr VALUES ("a","b","c","d","e");\n', "row: not a row of"),
        (ROW, b"hello\n", "row: not a row of mod_cdr_csv's template example"),
        (ROW, b'"\n', "row: not a row of mod_cdr_csv's template example"),
        (b"Bob", b"B\xff", "row: not UTF-8 at byte 2"),
        (b"34328bfb-c283-4cca-a070-8810e94d8e37", b"", "uuid: required"),
        (b'"3","3"', b'"3","-1"', "billsec: must be a whole number"),
        (b'"3","3"', b'"99999999999","3"', "duration: must be a whole number"),
        (b'"3","3"', b'"9999999999","3"', "duration: must be below 2147483648"),
        (
            b'"default","2026-11-23 00:15:23"',
            b'"default",""',
            "start_stamp, answer_stamp, end_stamp: there is no time of the start",
        ),
        (
            b"2026-11-23 00:15:26",
            b"2026-11-31 00:15:26",
            "start_stamp, answer_stamp, end_stamp: '2026-11-31",
        ),
    ],
)
def test_a_broken_row_is_kept_with_its_reason(old, new, reason):
    assert old in ROW

    assert refused(ROW.replace(old, new, 1)).startswith(reason)


def test_a_broken_row_costs_only_itself():
    broken = ROW.replace(b"Bob", b'B"ob')

    kinds = [type(item) for item in read(ROW + broken + b"\r\n" + ROW)]

    assert kinds == [Read, Undecodable, Read]


@settings(deadline=None, database=None, max_examples=300)
@given(st.data(), st.binary(max_size=8))
def test_a_file_that_was_changed_anywhere_is_read_without_loss(data, other):
    start = data.draw(st.integers(0, len(MASTER)))
    end = data.draw(st.integers(start, min(len(MASTER), start + 8)))
    changed = MASTER[:start] + other + MASTER[end:]

    records, taken = CSV.cut(changed, is_end=True)
    items = CSV.read(records)

    assert b"".join(records) == changed[:taken] == changed
    assert [i.raw if isinstance(i, Read) else i.body for i in items] == [
        record for record in records if record.strip()
    ]


@settings(deadline=None, database=None)
@given(st.binary())
def test_any_bytes_are_answered(data):
    assert all(isinstance(item, (Read, Undecodable)) for item in read(data))
