"""Exports of PBXs that also push: the same call from a file and from the wire."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from dispatcher.adapters.base import Read, Undecodable
from dispatcher.adapters.formats import file_format
from dispatcher.adapters.registry import ADAPTERS
from dispatcher.values import SourceRules

SAMPLES = Path(__file__).parents[1] / "samples"
RULES = SourceRules(zone="Europe/London")
FILES = [
    path
    for name in ("webex", "grandstream")
    for path in sorted((SAMPLES / name).glob("documented_*.json"))
    if not path.name.endswith(".expected.json")
]


def read(name: str, data: bytes) -> list[Read | Undecodable]:
    form = file_format(name)
    assert form is not None
    records, taken = form.cut(data, is_end=True)
    assert taken == len(data)
    return form.read(records, rules=RULES)


def record(**more: str) -> dict[str, str]:
    return {
        "Report ID": "r-1",
        "Start time": "2026-07-23T14:05:09.000Z",
        "Duration": "47",
        "Direction": "ORIGINATING",
        "Calling number": "+442079460001",
        **more,
    }


@pytest.mark.parametrize(
    "path", FILES, ids=lambda path: f"{path.parent.name}-{path.name}"
)
def test_a_file_gives_what_the_adapter_makes_of_the_same_bytes(path):
    data, name = path.read_bytes(), path.parent.name

    pushed = ADAPTERS[name].decode(data, rules=RULES)
    from_file = read(name, data)

    assert [item.cdr for item in from_file if isinstance(item, Read)] == [
        item.cdr for item in pushed if isinstance(item, Read)
    ]


def test_a_csv_report_gives_the_same_calls_as_json():
    records = [record(), record(**{"Report ID": "r-2", "User": 'Reception, "hall"'})]
    text = io.StringIO()
    writer = csv.DictWriter(text, [*records[1]], restval="")
    writer.writeheader()
    writer.writerows(records)

    items = read("webex", b"\xef\xbb\xbf" + text.getvalue().encode())

    assert [uid(item) for item in items] == ["r-1", "r-2"]
    same = read("webex", json.dumps({"items": [{**records[0], "User": ""}]}).encode())
    assert cdr_of(items[0]) == cdr_of(same[0])


def test_more_than_a_request_may_bring_is_read_from_a_file():
    records = [record(**{"Report ID": f"r-{n}"}) for n in range(1500)]

    items = read("webex", json.dumps(records).encode())

    assert len([item for item in items if isinstance(item, Read)]) == 1500


def test_json_lines_are_read_too_and_one_that_is_broken_holds_up_no_other():
    line = json.dumps(record()).encode()

    items = read("webex", line + b"\n{broken\n\n" + line)

    assert [type(item) for item in items] == [Read, Undecodable, Read]
    assert isinstance(items[1], Undecodable)
    assert items[1].body == b"{broken"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"{", "body: not valid JSON"),
        (b"\xff\xfe\nx", "neither JSON nor CSV"),
        (b"Report ID\n", "neither JSON nor CSV"),
        (b"a,b\n1,2\n", "Report ID: required"),
        (b"Report ID\n\xff\n", "not UTF-8"),
        (b'{"items": [5]}', "body: a record must be an object"),
    ],
)
def test_what_cannot_be_read_comes_back_with_a_reason(data, reason):
    [item] = read("webex", data)

    assert isinstance(item, Undecodable)
    assert item.reason.startswith(reason)
    assert item.body in data


def cdr_of(item: Read | Undecodable) -> Any:
    assert isinstance(item, Read), item
    return item.cdr


def uid(item: Read | Undecodable) -> str:
    found: str = cdr_of(item).uid
    return found
