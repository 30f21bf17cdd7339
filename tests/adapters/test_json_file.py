"""Files of Webex' and Grandstream's APIs: the same calls as from the wire."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dispatcher.adapters.base import Read, Undecodable
from dispatcher.adapters.formats import FORMATS
from dispatcher.adapters.json_items import MAX_RECORDS
from dispatcher.adapters.registry import ADAPTERS
from dispatcher.values import SourceRules

SAMPLES = Path(__file__).parents[1] / "samples"
NAMES = ("grandstream", "webex")
RULES = SourceRules(zone="Europe/London")
FILES = [
    path
    for name in NAMES
    for path in sorted((SAMPLES / name).glob("documented_*"))
    if "expected" not in path.name
]

every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)


def read(name: str, data: bytes) -> list[Read | Undecodable]:
    records, taken = FORMATS[name].cut(data, is_end=True)
    assert taken == len(data)
    return FORMATS[name].read(records, rules=RULES)


@every_file
def test_a_file_gives_what_the_wire_gives(path):
    name, data = path.parent.name, path.read_bytes()

    assert read(name, data) == ADAPTERS[name].decode(data, rules=RULES)


@every_file
def test_pages_one_a_line_give_the_calls_of_all(path):
    name, data = path.parent.name, path.read_bytes()
    line = json.dumps(json.loads(data)).encode()

    items = read(name, line + b"\r\n\n" + line + b"\n")

    assert [type(item) for item in items] == 2 * [type(i) for i in read(name, line)]


def test_a_line_that_cannot_be_read_costs_itself_only():
    good = b'{"Report ID": "%d", "Start time": "2026-11-20T09:37:35Z"}'

    items = read("webex", good % 1 + b'\n{"Report ID": \n' + good % 2)

    assert [type(item) for item in items] == [Read, Undecodable, Read]


def test_a_file_may_hold_more_than_a_request():
    records = [
        {"Report ID": f"r{number}", "Start time": "2026-11-20T09:37:35Z"}
        for number in range(MAX_RECORDS + 1)
    ]

    items = read("webex", json.dumps({"items": records}).encode())

    assert len(items) == MAX_RECORDS + 1
    assert all(isinstance(item, Read) for item in items)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_blanks_has_no_calls(name):
    assert read(name, b"\n \r\n") == []


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_read_before_the_end_of_a_file(name):
    assert FORMATS[name].cut(b"{}\n", is_end=False) == ([], 0)
