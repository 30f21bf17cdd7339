"""A mapping is judged when it is saved: clear errors, nothing that is not known."""

from __future__ import annotations

import math
from typing import Any

import pytest

from dispatcher.adapters.base import BadCdr
from dispatcher.adapters.cdr_paths import PATHS
from dispatcher.adapters.mapping import MAX_ERRORS, judge, merged, plan_of
from dispatcher.adapters.mapping_presets import PRESETS

LEAST = {"uid": "id", "started_at": "begin"}


def judged(**fields: Any) -> list[tuple[str, str]]:
    """The errors of a mapping with these fields beside the least that there must be."""
    errors = judge({"fields": {**LEAST, **fields}})
    return [(error.field, error.message) for error in errors]


@pytest.mark.parametrize("mapping", [{}, {"fields": LEAST}, {"preset": "3cx"}])
def test_these_are_right(mapping):
    assert judge(mapping) == []


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_right(name):
    assert judge(PRESETS[name].mapping) == []
    assert PRESETS[name].label


def test_every_field_of_a_call_can_be_mapped():
    assert judged(**dict.fromkeys(PATHS, "theirs")) == []


def test_uid_and_start_are_required():
    errors = judge({"fields": {"caller.number": "src"}})

    assert [(error.field, error.message) for error in errors] == [
        ("fields.uid", "required"),
        ("fields.started_at", "required"),
    ]


@pytest.mark.parametrize(
    ("mapping", "field"),
    [
        ([], "mapping"),
        ({"fields": LEAST, "records": {1, 2}}, "mapping"),
        ({"fields": {**LEAST, "extra.a": {"value": math.nan}}}, "mapping"),
        ({"fields": {**LEAST, "extra.a": {"value": "x" * 70_000}}}, "mapping"),
        ({"records": "calls"}, "fields"),
        ({"fields": []}, "fields"),
        ({"fields": LEAST, "field": {}}, "field"),
        ({"fields": LEAST, "preset": "nortel"}, "preset"),
        ({"fields": LEAST, "body": "xml"}, "body"),
        ({"fields": LEAST, "records": "a.b.c.d.e.f.g.h.i"}, "records"),
        ({"fields": LEAST, "unknown": "NA"}, "unknown"),
        ({"fields": LEAST, "unknown": [""]}, "unknown.0"),
        ({"fields": LEAST, "only": {"kind": []}}, "only.kind"),
        ({"fields": LEAST, "only": {"kind": [1]}}, "only.kind.0"),
        ({"fields": LEAST, "csv": "yes"}, "csv"),
        ({"fields": LEAST, "csv": {"sep": ";"}}, "csv.sep"),
        ({"fields": LEAST, "csv": {"delimiter": "::"}}, "csv.delimiter"),
        ({"fields": LEAST, "csv": {"quote": "'"}}, "csv.quote"),
        ({"fields": LEAST, "csv": {"header": 1}}, "csv.header"),
        ({"fields": LEAST, "csv": {"skip_lines": True}}, "csv.skip_lines"),
        ({"fields": LEAST, "csv": {"skip_after_header": 101}}, "csv.skip_after_header"),
        ({"fields": LEAST, "csv": {"columns": ["a", "a"]}}, "csv.columns"),
        ({"fields": LEAST, "csv": {"encoding": "utf-16"}}, "csv.encoding"),
    ],
)
def test_what_is_wrong_with_the_whole_is_named(mapping, field):
    assert [error.field for error in judge(mapping)] == [field]


@pytest.mark.parametrize(
    ("path", "rules", "field"),
    [
        ("caller.numbr", "src", ""),
        ("caller", "src", ""),
        ("contacts.0.phones.4", "tel", ""),
        ("extra", "src", ""),
        ("extra.generic.a", "src", ""),
        ("extra." + "a." * 5 + "a", "src", ""),
        ("caller.name", 5, ""),
        ("caller.name", {}, ""),
        ("caller.name", [], ""),
        ("caller.name", "", ""),
        ("caller.name", "half \ud800", ""),
        ("caller.name", ["a", {"from": []}], ".1.from"),
        ("caller.name", {"from": ["a", ""]}, ".from.1"),
        ("caller.name", {"from": "a", "form": "b"}, ".form"),
        ("caller.name", {"from": "a", "as": "eval"}, ".as"),
        ("caller.name", {"from": "a", "as": "unix_s"}, ".as"),
        ("caller.name", {"from": ["a", "b"], "join": ""}, ".join"),
        ("caller.name", {"from": "a", "zone": "UTC"}, ".zone"),
        ("caller.name", {"from": "a", "unknown": "-"}, ".unknown"),
        ("caller.name", {"value": "x", "from": "a"}, ".from"),
        ("caller.name", {"value": "x" * 501}, ".value"),
        ("direction", {"value": "sideways"}, ".value"),
        ("direction", {"from": "d", "as": "words"}, ".words"),
        ("direction", {"from": "d", "as": "words", "words": {"I": "in"}}, ".words.I"),
        ("direction", {"from": "d", "as": "words", "default": "in"}, ".default"),
        ("abandoned", {"from": "d", "as": "words", "words": {"I": "1"}}, ".words.I"),
        ("answered_at", {"from": "t", "zone": "Mars/Olympus"}, ".zone"),
        ("answered_at", {"from": "t", "as": "strftime"}, ".format"),
        ("answered_at", {"from": "t", "as": "strftime", "format": "%H:%M"}, ".format"),
        ("uid", {"value": "always"}, ""),
        ("extra.a.b", "deep", ""),
        ("recordings.0.url", "url", ""),
    ],
)
def test_what_is_wrong_with_a_rule_is_named(path, rules, field):
    beside = {"extra.a": "flat"} if path == "extra.a.b" else {}

    errors = judged(**{path: rules}, **beside)

    assert {at for at, _ in errors} == {f"fields.{path}{field}".replace("\ud800", "?")}


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ("%d.%m.%Y", "must have an hour (%H)"),
        ("%H:%M %d.%m.", "must have a year (%Y)"),
        ("%Y %H", "must have a day (%m and %d)"),
        ("%Y-%m-%d %H:%M %Q", "%Q is not known"),
        ("%Y-%m-%d %H:%M %", "% is not known"),
        ("%Y-%m-%d %H %H", "cannot be read back: is something in it twice?"),
    ],
)
def test_a_format_that_cannot_give_a_time_is_refused(form, message):
    errors = judged(ended_at={"from": "t", "as": "strftime", "format": form})

    assert errors == [("fields.ended_at.format", message)]


def test_there_are_never_more_than_twenty_errors():
    errors = judged(**{f"no.such.{n}": "x" for n in range(100)})

    assert len(errors) == MAX_ERRORS


def test_a_mapping_takes_from_a_preset_what_it_does_not_say_itself():
    mapping = {"preset": "3cx", "csv": {"delimiter": ";"}, "unknown": ["-"]}

    whole = merged(mapping)

    assert whole["csv"]["delimiter"] == ";"
    assert whole["csv"]["columns"][0] == "historyid"
    assert whole["fields"] == PRESETS["3cx"].mapping["fields"]
    assert whole["unknown"] == ["-"]


def test_fields_of_a_mapping_replace_those_of_the_preset():
    plan = plan_of({"fields": LEAST}, preset="cucm")

    assert plan is not None
    assert [field.path for field in plan.fields] == ["uid", "started_at"]
    assert plan.csv is not None
    assert plan.csv.head_records == 2


def test_nothing_that_was_not_judged_right_is_planned():
    with pytest.raises(BadCdr) as refused:
        plan_of({"fields": {"uid": "a"}})

    assert [error.field for error in refused.value.errors] == ["fields.started_at"]
