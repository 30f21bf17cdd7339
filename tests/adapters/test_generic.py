"""The generic adapter: any body, read by a source's mapping, or as cdrhook's own JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dispatcher.adapters.base import Read, Undecodable
from dispatcher.adapters.generic import Generic
from dispatcher.values import Cdr, SourceRules

FIELDS = {
    "uid": "id",
    "started_at": {"from": "begin", "as": "unix_s"},
    "caller.number": ["from.number", "src"],
}
ONE = {"id": "a", "begin": 1790000000, "from": {"number": "100", "type": "sip"}}
TWO = {"id": "b", "begin": 1790000001, "src": "101", "queue": ["x"]}
OWN = b'{"uid": "a", "started_at": "2026-11-23T14:05:09Z"}'


def decoded(sent: object, /, content_type: str = "", **mapping: Any) -> list[Any]:
    mapping = {"fields": FIELDS, **mapping} if mapping.get("fields", 1) else {}
    raw = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    rules = SourceRules(mapping=mapping)
    return list(Generic().decode(raw, content_type=content_type, rules=rules))


def calls(items: list[Any]) -> list[Cdr]:
    assert all(isinstance(item, Read) for item in items), items
    return [item.cdr for item in items]


# Documents --------------------------------------------------------------------------


def test_one_object_is_one_call_and_what_is_not_mapped_is_kept():
    [cdr] = calls(decoded(ONE))

    assert (cdr.uid, cdr.caller.number) == ("a", "100")
    assert cdr.extra == {"generic": {"from": {"type": "sip"}}}


@pytest.mark.parametrize(
    ("document", "records"),
    [
        ([ONE, TWO], ""),
        ({"records": [ONE, TWO]}, ""),
        ({"cdrs": [ONE, TWO], "page": 1}, ""),
        ({"data": {"calls": [ONE, TWO]}, "next": None}, "data.calls"),
    ],
)
def test_the_list_of_records_is_found(document, records):
    items = decoded(document, records=records)

    assert [cdr.uid for cdr in calls(items)] == ["a", "b"]
    assert [json.loads(item.raw) for item in items] == [ONE, TWO]


def test_a_record_keeps_its_own_bytes():
    body = b'[ {"id":"a", "begin": 1790000000.0},\n {"id" : "b","begin":1790000001} ]'

    items = decoded(body)

    assert [item.raw for item in items] == [
        b'{"id":"a", "begin": 1790000000.0}',
        b'{"id" : "b","begin":1790000001}',
    ]


def test_of_a_key_that_stands_twice_the_last_one_counts():
    body = b'{"records":[{"id":"no"}],"records":[{"id":"a","begin":1},{"id":"b","begin":1}]}'

    assert [cdr.uid for cdr in calls(decoded(body, records="records"))] == ["a", "b"]


def test_a_record_that_cannot_be_read_holds_up_no_other():
    items = decoded([ONE, {"id": "b", "begin": "soon"}, TWO])

    bad = items[1]
    assert [type(item) for item in items] == [Read, Undecodable, Read]
    assert json.loads(bad.body) == {"id": "b", "begin": "soon"}
    assert [error.field for error in bad.errors] == ["begin"]


def test_where_none_can_be_read_the_body_comes_back_whole():
    body = b'[{"id": 1}, {"id": 2}]'

    [item] = decoded(body)

    assert item.body == body
    assert item.reason.endswith("(and 1 more)")


def test_what_was_quarantined_by_itself_can_be_read_again():
    assert [cdr.uid for cdr in calls(decoded(ONE, records="data.calls"))] == ["a"]


def test_json_lines_are_read_line_by_line():
    body = b"\n".join(
        [json.dumps(ONE).encode(), b"", b"{broken", json.dumps(TWO).encode()]
    )

    items = decoded(body)

    assert [type(item) for item in items] == [Read, Undecodable, Read]
    assert items[0].raw == json.dumps(ONE).encode() + b"\n"
    assert items[1].body == b"{broken\n"


def test_numbers_of_a_cost_stay_exact():
    fields = {**FIELDS, "rating.cost": "cost"}

    [cdr] = calls(decoded({**ONE, "cost": "0.0350"}, fields=fields))

    assert cdr.rating is not None
    assert str(cdr.rating.cost) == "0.0350"


def test_what_no_database_can_keep_is_kept_as_text():
    odd = {
        "nul": "a\0b",
        "half": "\ud800",
        "big": 10**30,
        "deep": [[[[[[[[[[[[[[1]]]]]]]]]]]]]],
    }

    [cdr] = calls(decoded({**ONE, **odd, "k\0": 1}))

    kept = (cdr.extra or {})["generic"]
    assert {name: json.loads(kept[name]) for name in odd} == odd
    assert kept["k\\u0000"] == 1


# Forms and CSV ----------------------------------------------------------------------


def test_a_form_is_one_call():
    [cdr] = calls(decoded(b"id=a+b&begin=1790000000&src=%2B4420&note=&x=1&x=2"))

    assert cdr.caller.number == "+4420"
    assert cdr.extra == {"generic": {"note": "", "x": "1", "x[2]": "2"}}


def test_a_form_may_hold_json():
    body = b"cdr=%7B%22id%22%3A%22a%22%2C%22begin%22%3A1790000000%7D&token=x"

    [item] = decoded(body, records="cdr", body="form")

    assert item.cdr.uid == "a"
    assert item.raw == body


def test_csv_with_a_header():
    body = b'begin;id;src;note\r\n1790000000;a;100;"two\nlines"\r\n1790000001;b;;\r\n'

    items = decoded(body, csv={"delimiter": ";"})

    assert [cdr.uid for cdr in calls(items)] == ["a", "b"]
    assert items[0].cdr.extra == {"generic": {"note": "two\nlines"}}
    assert items[0].raw == b'1790000000;a;100;"two\nlines"\r\n'
    assert items[1].cdr.extra is None


def test_a_header_may_spell_names_with_other_capitals():
    body = b"ID,Begin,SRC\na,1790000000,100\nb,1790000001,101\n"

    assert [cdr.caller.number for cdr in calls(decoded(body, csv={}))] == ["100", "101"]


def test_csv_by_place():
    fields = {"uid": "#2", "started_at": {"from": "#1", "as": "unix_s"}}

    [cdr] = calls(decoded(b"1790000000,a,x\n", csv={"header": False}, fields=fields))

    assert (cdr.uid, cdr.extra) == ("a", {"generic": {"#3": "x"}})


def test_csv_with_names_of_ones_own_and_lines_to_skip():
    csv = {"header": False, "skip_lines": 1, "columns": ["id", "begin"], "quote": ""}

    [cdr] = calls(decoded(b'# made by hand\n"a",1790000000\n', csv=csv))

    assert cdr.uid.startswith("_a_-")


def test_csv_in_another_encoding():
    fields = {**FIELDS, "caller.name": "name"}
    csv = {"encoding": "windows-1252"}
    body = "id,begin,name\na,1790000000,Café €\n".encode("windows-1252")

    [cdr] = calls(decoded(body, csv=csv, fields=fields))

    assert cdr.caller.name == "Café €"
    [bad] = decoded(body, csv={}, fields=fields)
    assert bad.reason.startswith("not utf-8")


# Refusals ---------------------------------------------------------------------------


def test_of_another_kind_than_asked_for_is_kept_in_quarantine():
    items = decoded(
        [{**ONE, "event": "ended"}, {**TWO, "event": "rang"}], only={"event": ["ended"]}
    )

    assert [type(item) for item in items] == [Read, Undecodable]
    assert "of another kind" in items[1].reason


def test_texts_that_mean_unknown_are_none():
    [cdr] = calls(decoded({**ONE, "from": {"number": "NA"}}, unknown=["NA"]))

    assert cdr.caller.number is None


def test_a_mapping_that_is_not_right_loses_nothing():
    [item] = decoded(ONE, fields={"uid": "id"})

    assert item.body == json.dumps(ONE).encode()
    assert (
        item.reason == "the source's mapping is not right: fields.started_at: required"
    )


def test_a_missing_id_is_named_by_their_fields():
    [item] = decoded({"begin": 1790000000})

    assert [(e.field, e.message) for e in item.errors] == [("id", "is not known (uid)")]


def test_limits_of_ours_are_named_by_their_fields():
    [item] = decoded({**ONE, "from": {"number": "1" * 501}})

    [error] = item.errors
    assert error.field == "from.number or src"
    assert error.message == "must not be longer than 500 characters (caller.number)"


def test_more_than_a_thousand_records_are_not_taken_apart():
    [item] = decoded([ONE] * 1001)

    assert item.reason == "it holds more than 1000 records"


# Without a mapping ------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        OWN,
        b"[" + OWN + b"]",
        b'{"cdrs": [' + OWN + b"]}",
        OWN + b"\n",
        b"\xef\xbb\xbf" + OWN,
    ],
)
def test_without_a_mapping_it_is_cdrhooks_own_json(body):
    [item] = decoded(body, fields=None)

    assert item.cdr.uid == "a"
    assert item.raw == body


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"uid,started_at\na,b\n", "not valid JSON"),
        (b"[]", "it holds no record"),
        (b"{", "not valid JSON"),
        (b"\xff{}", "not UTF-8"),
        (b'{"uid": NaN}', "not valid JSON: NaN is not JSON"),
        (b"[" * 100_000, "not valid JSON: nested too deep"),
    ],
)
def test_without_a_mapping_nothing_else_is(body, reason):
    [item] = decoded(body, fields=None)

    assert item.body == body
    assert item.reason.startswith(reason)
    assert item.reason.endswith("only cdrhook's own JSON is read")


def test_without_a_mapping_unknown_fields_are_refused_by_name():
    [item] = decoded(b'{"uid": "a", "start": 5}', fields=None)

    assert {error.field for error in item.errors} == {"started_at", "start"}
