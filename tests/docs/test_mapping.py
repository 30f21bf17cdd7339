"""The examples of docs/mapping.md do what the page says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dispatcher.adapters.base import Read
from dispatcher.adapters.cdr_json import dump
from dispatcher.adapters.formats import FORMATS
from dispatcher.adapters.generic import Generic
from dispatcher.adapters.mapping import CSV_KEYS, KEYS, judge
from dispatcher.adapters.mapping_conversions import CONVERSIONS
from dispatcher.adapters.mapping_presets import PRESETS
from dispatcher.values import SourceRules

PAGE = (Path(__file__).parents[2] / "docs" / "mapping.md").read_text()
BLOCKS = re.findall(r"(?ms)^```(\w+)\n(.*?)^```$", PAGE)
# What is sent, its mapping, what becomes of it.
EXAMPLES = [
    (BLOCKS[at][1], BLOCKS[at + 1][1], BLOCKS[at + 2][1])
    for at, (kind, _) in enumerate(BLOCKS)
    if kind in ("json", "csv")
]


@pytest.mark.parametrize(("body", "mapping", "calls"), EXAMPLES, ids=["json", "csv"])
def test_an_example_becomes_what_stands_beside_it(body, mapping, calls):
    rules = SourceRules(zone="Europe/London", mapping=json.loads(mapping))

    items = Generic().decode(body.encode(), rules=rules)

    made = [json.loads(dump(i.cdr)) for i in items if isinstance(i, Read)]
    assert made == json.loads(calls)
    assert len(items) == len(made)


def test_every_mapping_on_the_page_is_right():
    mappings = [json.loads(text) for kind, text in BLOCKS if kind == "mapping"]

    assert [judge(one, preset="3cx") for one in mappings] == [[], [], []]


@pytest.mark.parametrize("name", [*KEYS, *CSV_KEYS, *CONVERSIONS, *PRESETS])
def test_every_word_of_a_mapping_stands_on_the_page(name):
    assert f"`{name}`" in PAGE


def test_formats_that_it_names_are_there():
    named = re.findall(r"--format (\w+)", PAGE)

    assert named
    assert set(named) <= FORMATS.keys()
