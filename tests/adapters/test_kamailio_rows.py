"""Rows of Kamailio's acc_cdrs, as its databases have them."""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dispatcher.adapters.base import PLAIN, Read, Undecodable
from dispatcher.adapters.rows import ROWS

if TYPE_CHECKING:
    from dispatcher.values import Cdr

FOLDER = Path(__file__).parents[1] / "samples/kamailio"
ROW = {
    "id": 7,
    "start_time": "2026-06-01 10:00:00",
    "end_time": "2026-06-01 10:00:09",
    "duration": 9.41,
    "callid": "abc@192.0.2.1",
    "src_user": "1001",
    "dst_user": "442039702436",
}


def rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(newline="") as file:
        return list(csv.DictReader(file))


def cdr(row, **rules) -> Cdr:
    item = ROWS["kamailio"].read(row, dataclasses.replace(PLAIN, **rules))
    assert isinstance(item, Read)
    return item.cdr


def utc(hour: int, minute: int, second: int, *, day: int = 1, month: int = 6):
    return dt.datetime(2026, month, day, hour, minute, second, tzinfo=dt.UTC)


def test_the_recorded_calls_have_the_seconds_that_kamailio_stored():
    first, second, third, busy = map(cdr, rows("acc_cdrs.csv"))

    assert first.started_at == utc(0, 11, 18, day=23, month=11)
    assert first.ended_at == utc(0, 11, 21, day=23, month=11)
    assert third.started_at == utc(0, 11, 20, day=23, month=11)
    assert (first.duration, second.disposition) == (2, "answered")
    assert (busy.duration, busy.disposition, busy.abandoned) == (0, "failed", False)


def test_the_recorded_parties_are_found_under_their_columns():
    first, *_ = map(cdr, rows("acc_cdrs.csv"))

    assert (first.uid, first.call_id) == (
        "1-417@127.0.0.1:1795392678",
        "1-417@127.0.0.1",
    )
    assert (first.caller.number, first.dialed.number) == ("sipp", "442039702436")


@pytest.mark.parametrize("row", rows("acc.csv"), ids=lambda row: row["id"])
def test_transactions_are_refused_and_acc_cdrs_is_named(row):
    item = ROWS["kamailio"].read(row, PLAIN)

    assert isinstance(item, Undecodable)
    assert "use acc_cdrs" in item.reason


def test_local_times_are_those_of_the_source():
    one = cdr(ROW, zone="Europe/Berlin")

    assert (one.started_at, one.ended_at) == (utc(8, 0, 0), utc(8, 0, 9))


def test_a_double_of_a_julian_day_gives_the_same_call_as_its_text():
    julian = 2461367.507841435

    one = cdr({**ROW, "start_time": julian, "end_time": None})

    assert one.started_at == utc(0, 11, 18, day=23, month=11)
    assert one.ended_at == utc(0, 11, 27, day=23, month=11)


def test_the_tags_of_the_dialog_make_the_uid_where_there_are_any():
    one = cdr({**ROW, "from_tag": "a1", "to_tag": "b2"})

    assert one.uid == "abc@192.0.2.1:a1:b2"


def test_a_challenged_invite_does_not_hide_the_call_that_follows():
    again = {**ROW, "start_time": "2026-06-01 10:00:01"}

    assert cdr(ROW).uid != cdr(again).uid


@pytest.mark.parametrize(
    ("code", "disposition"),
    [
        ("200", "answered"),
        ("486", "busy"),
        ("408", "no_answer"),
        ("487", "cancelled"),
        ("503", "failed"),
    ],
)
def test_the_final_answer_tells_how_it_ended_where_it_is_told(code, disposition):
    one = cdr({**ROW, "sip_code": code, "sip_reason": "As Told"})

    assert one.disposition == disposition
    assert (one.hangup_cause_code, one.hangup_cause) == (int(code), "As Told")


def test_an_answer_time_of_cdr_extra_splits_ringing_from_talking():
    answer = utc(10, 0, 4).timestamp()

    one = cdr({**ROW, "answer_time": answer})

    assert one.answered_at == utc(10, 0, 4)
    assert (one.ring_duration, one.talk_duration, one.billed_duration) == (4, 5, 5)


def test_a_call_of_less_than_a_second_was_answered():
    assert cdr({**ROW, "duration": 0.4}).disposition == "answered"


def test_other_columns_of_cdr_extra_are_kept():
    one = cdr({**ROW, "src_ip": "192.0.2.7", "carrier": None})

    assert one.extra == {"kamailio": {"src_ip": "192.0.2.7"}}


def test_a_call_id_longer_than_ours_is_cut_and_marked():
    one = cdr({**ROW, "callid": "x" * 255})

    assert one.call_id is not None
    assert len(one.call_id) == len(one.uid) == 200


def test_a_row_without_a_call_id_has_a_uid_of_its_own():
    row = {name: value for name, value in ROW.items() if name != "callid"}

    assert cdr(row).uid == cdr(row).uid
    assert cdr(row).uid != cdr({**row, "id": 8}).uid


def test_it_says_which_columns_a_table_lacks():
    assert ROWS["kamailio"].missing(["ID", "START_TIME", "Duration"]) == ()
    assert ROWS["kamailio"].missing(["start_time"]) == ("duration",)
