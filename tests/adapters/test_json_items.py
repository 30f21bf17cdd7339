"""A body's records, each with its own piece of the body."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatcher.adapters.base import BadCdr, Read, Undecodable
from dispatcher.adapters.json_items import (
    MAX_RECORDS,
    Record,
    members,
    read_records,
    split,
)
from dispatcher.values import Cdr, FieldError

NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
TEXTS = st.text(max_size=4)
VALUES = st.recursive(
    st.none() | st.integers(-9, 9) | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3)
    ),
    max_leaves=6,
)
# A busy machine is no reason to fail.
examples = settings(
    deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)


def pieces(body: bytes, *lists: str) -> list[bytes]:
    return [record.raw for record in split(body, lists=lists)]


def refuse(record: Record) -> list[Read]:
    raise BadCdr(FieldError("uid", f"no {record.value}"))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b' {"a": 1}\n', [b' {"a": 1}\n']),
        (b'\xef\xbb\xbf[1, {"a": [2]} ]', [b"1", b'{"a": [2]}']),
        (b'{"n": 1, "items" : [ "\xc3\xa9" ,2]}', [b'"\xc3\xa9"', b"2"]),
        (b'{"items": {"a": 1}}', [b'{"items": {"a": 1}}']),
        (b'{"items": 0, "items": [3], "x": [4]}', [b"3"]),
    ],
)
def test_each_record_has_its_own_bytes(body, expected):
    assert pieces(body, "items") == expected


@examples
@given(st.lists(VALUES, min_size=1, max_size=4), st.sampled_from([None, 1]))
def test_what_json_writes_is_cut_where_it_was_put_together(values, indent):
    body = json.dumps({"n": [0], "items": values}, indent=indent).encode()

    records = split(body, lists=("items",))

    assert [record.value for record in records] == values
    assert [json.loads(record.raw) for record in records] == values
    assert all(record.raw in body for record in records)


@examples
@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_members_are_where_they_say(record):
    text = " " + json.dumps(record)

    found = list(members(text))

    assert {one.key: one.value for one in found} == record
    assert [json.loads(text[one.start : one.end]) for one in found] == [
        one.value for one in found
    ]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not valid JSON"),
        (b"[1,]", "not valid JSON"),
        (b"[1 2]", "not valid JSON"),
        (b"[1] 2", "Extra data"),
        (b"{[1]: 2}", "not valid JSON"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": "\xff"}', "not UTF-8 at byte 7"),
        (b"[" * 100_000, "nested too deeply"),
        (b"9" * 100_000, "not valid JSON"),
        (b"[]", "there is no record in it"),
        (b'{"items": []}', "there is no record in it"),
        (b"[" + b"1," * MAX_RECORDS + b"1]", f"more than {MAX_RECORDS} records"),
    ],
)
def test_what_is_no_list_of_records_is_refused_with_a_reason(body, reason):
    with pytest.raises(BadCdr, match=reason):
        split(body, lists=("items",))


def test_where_no_record_can_be_read_the_body_comes_back_whole():
    [item] = read_records(b" [1, 2] ", refuse)

    assert isinstance(item, Undecodable)
    assert item.body == b" [1, 2] "
    assert item.reason == "none of 2 records can be read; the first: uid: no 1"


def test_a_record_that_becomes_more_calls_than_a_request_may_bring_is_kept():
    read = Read(Cdr(uid="1", started_at=NOW), b"1")

    [item] = read_records(b"[1]", lambda _: [read] * (MAX_RECORDS + 1))

    assert isinstance(item, Undecodable)
    assert item.body == b"[1]"
