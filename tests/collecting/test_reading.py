"""Where reading a table goes on, and what is looked through again."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from dispatcher.collecting.reading import Reading, after, earlier, from_json, to_json
from dispatcher.collecting.table import LATE_COMMIT, LONGEST_CALL, Order, order_of
from dispatcher.collecting.trouble import Trouble

NOON = dt.datetime(2026, 11, 20, 12)  # noqa: DTZ001  a table's own clock
BY_ID = Order("id", None, ("id",), None)
BY_END = Order("end", LATE_COMMIT, ("uniqueid",), "end")


def ids(*numbers: int) -> list[dict[str, int]]:
    return [{"id": number} for number in numbers]


def test_the_next_page_begins_with_the_newest_row_that_is_known():
    reading = Reading(BY_ID, 10)
    assert reading.next_page() == (10, 500)
    reading.note(ids(10, 12), 0.0)
    assert reading.next_page() == (12, 501)
    assert reading.unseen(ids(12, 13)) == ids(13)


def test_ids_are_left_behind_five_minutes_after_they_were_seen():
    reading = Reading(BY_ID, 1)
    reading.note(ids(5), 0.0)
    reading.note(ids(9), 299.0)
    assert reading.start == 1
    assert reading.start_after(ids(20), 300.0) == 5
    reading.note(ids(20), 300.0)
    assert (reading.start, reading.stretch()) == (5, (5, 20))


def test_ids_are_left_behind_ten_thousand_later_at_once():
    reading = Reading(BY_ID, None)
    reading.note(ids(50_000), 0.0)
    assert reading.start == 40_000


def test_rows_that_were_not_seen_in_the_stretch_are_late():
    reading = Reading(BY_ID, 1)
    reading.note(ids(2, 4), 0.0)
    assert reading.late([(2, 2), (3, 3), (4, 4)]) == [3]


def test_times_are_left_behind_by_how_late_a_row_may_be():
    reading = Reading(BY_END, None)
    reading.note([{"end": NOON, "uniqueid": "a"}], 0.0)
    assert reading.start == NOON - LATE_COMMIT
    reading.note([{"end": "0000-00-00 00:00:00", "uniqueid": "b"}], 0.0)
    assert reading.next_page() == (NOON, 501)


def test_a_place_never_moves_back():
    reading = Reading(BY_END, NOON)
    reading.note([{"end": NOON, "uniqueid": "a"}], 0.0)
    assert reading.start == NOON


@pytest.mark.parametrize(
    "value", [7, 2461367.5, "2026-11-20 12:00:00", NOON, NOON.replace(tzinfo=dt.UTC)]
)
def test_a_place_survives_json_and_is_followed_by_another(value):
    assert from_json(to_json(value)) == value
    assert after(value) > value
    assert to_json(Decimal(7)) == 7


@pytest.mark.parametrize(
    ("value", "before"),
    [
        (NOON, NOON - dt.timedelta(hours=6)),
        ("2026-11-20 12:00:00", "2026-11-20 06:00:00"),
        (2461367.5, 2461367.25),
        ("soon", "soon"),
        (None, None),
    ],
)
def test_a_time_is_moved_back_as_its_column_has_it(value, before):
    assert earlier(value, LONGEST_CALL) == before


@pytest.mark.parametrize(
    ("columns", "key", "column", "identity"),
    [
        ({"id": True, "start": False}, ["id"], "id", ("id",)),
        ({"AcctId": True, "end": False}, [], "AcctId", ("AcctId",)),
        (
            {"id": False, "end": False, "src": False},
            ["id"],
            "end",
            ("id", "end", "src"),
        ),
        (
            {"calldate": False, "uniqueid": False, "sequence": True},
            ["sequence"],
            "calldate",
            ("uniqueid", "sequence"),
        ),
    ],
)
def test_rows_are_read_by_an_id_or_else_by_a_time(columns, key, column, identity):
    order = order_of(columns, key)
    assert (order.column, order.identity) == (column, identity)


def test_a_table_without_either_is_trouble():
    with pytest.raises(Trouble, match="neither an increasing id nor the time"):
        order_of({"src": False, "dst": False}, [])
