"""What comes in at /ingest/asterisk: JSON rows, and forms that the dialplan posts."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlencode

import pytest

from dispatcher.adapters.asterisk import Asterisk
from dispatcher.adapters.base import Read, Undecodable

SAMPLE = (
    Path(__file__).parents[1]
    / "samples/asterisk/real_run1_cdr_custom_3_INVALID_LINES.jsonl"
)
ROW = {"start": "2026-06-01 10:00:00", "src": "1001", "uniqueid": "1.1", "sequence": 7}
SIZE = 100_000


def uids(body: bytes) -> list[str]:
    items = Asterisk().decode(body)
    assert all(isinstance(item, Read) for item in items)
    return [item.cdr.uid for item in items if isinstance(item, Read)]


def refused(body: bytes) -> Undecodable:
    [item] = Asterisk().decode(body)
    assert isinstance(item, Undecodable)
    assert item.body == body
    return item


def test_a_file_of_cdr_custom_can_be_posted_as_it_is():
    assert len(set(uids(SAMPLE.read_bytes()))) == 23


def test_one_row_may_be_an_object_over_several_lines_or_a_list():
    assert uids(json.dumps(ROW, indent=2).encode()) == ["1.1-7"]
    assert uids(json.dumps([ROW, {**ROW, "sequence": 8}]).encode()) == [
        "1.1-7",
        "1.1-8",
    ]


def test_the_dialplan_posts_the_names_of_cdr():
    form = {
        **{"start": "1780308000.123456", "answer": "0.000000", "src": "1001"},
        **{"clid": '"Ann" <1001>', "uniqueid": "1780308000.4", "sequence": "9"},
        **{"disposition": "NO ANSWER", "billsec": "0", "hangupcause": "19"},
    }

    [item] = Asterisk().decode(urlencode(form).encode())

    assert isinstance(item, Read)
    assert item.cdr.started_at.isoformat() == "2026-06-01T10:00:00.123456+00:00"
    assert (item.cdr.uid, item.cdr.caller.name) == ("1780308000.4-9", "Ann")
    assert (item.cdr.answered_at, item.cdr.hangup_cause_code) == (None, 19)


def test_of_a_list_each_row_keeps_its_own_bytes_read_or_not():
    row = json.dumps(ROW).encode()

    good, bad, number = Asterisk().decode(b"[" + row + b', {"src": 1} , 7]')

    assert isinstance(good, Read)
    assert good.raw == row
    assert isinstance(bad, Undecodable)
    assert (bad.body, bad.errors[0].field) == (b'{"src": 1}', "start")
    assert isinstance(number, Undecodable)


def test_of_lines_the_bad_one_is_kept_by_itself():
    line = json.dumps(ROW).encode() + b"\n"

    items = Asterisk().decode(line + b'{"src":1}\n' + line)

    assert [getattr(item, "body", b"") for item in items] == [b"", b'{"src":1}\n', b""]


@pytest.mark.parametrize(
    "body",
    [
        b"hello",
        b"a=1&a=2",
        b"x=1",
        b"[]",
        b"[1]",
        b"{}",
        b'{"start":"2026-06-01 10:00:00","start":"2026-06-02 10:00:00"}',
        b'{"start":{"a":1}}',
        b"&".join([b"a=1"] * 201),
        b"[" * 5000,
    ],
)
def test_what_is_no_row_is_kept_with_a_reason(body):
    assert refused(body).reason


@pytest.mark.parametrize("value", ['"x"', "{}", "1e999"])
@pytest.mark.parametrize("form", ["{%s}", "[{%s}]"])
def test_half_a_character_in_a_columns_name_is_kept_with_a_reason(form, value):
    members = f'"start":"2026-06-01 10:00:00","\\ud800":{value}'

    assert refused((form % members).encode()).reason.startswith("row: ")


def test_a_request_brings_a_thousand_rows_at_most():
    rows = [json.dumps({**ROW, "sequence": n}).encode() + b"\n" for n in range(1001)]

    assert len(uids(b"".join(rows[:1000]))) == 1000
    assert refused(b"".join(rows)).reason == "more than 1000 rows; send fewer at a time"


@pytest.mark.parametrize(
    "piece",
    [
        *(b"{}\n", b"{},", b'{"a":', b"[", b"=", b"&", b"a=1&", b'\\"', b'"', b"\\"),
        *(b" ", b"\n", b'"a":1,', b'{"start":1}\n', b"\xff", b"%", b'\\" '),
    ],
)
@pytest.mark.parametrize("prefix", [b"", b"{", b"[", b'{"a":"\\q'])
def test_100_kb_of_anything_are_read_or_kept(prefix, piece):
    body = prefix + piece * (SIZE // len(piece))

    items = Asterisk().decode(body)

    assert b"".join(i.body for i in items if isinstance(i, Undecodable)) == body
