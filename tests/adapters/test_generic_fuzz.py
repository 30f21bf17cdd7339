"""Any mapping that is judged right, any body: a call or the same bytes, soon."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dispatcher.adapters.base import Read, Undecodable
from dispatcher.adapters.cdr_json import dump, parse
from dispatcher.adapters.cdr_paths import PATHS, kind_of
from dispatcher.adapters.formats import file_format
from dispatcher.adapters.generic import Generic
from dispatcher.adapters.mapping import BODIES, DELIMITERS, ENCODINGS, QUOTES, judge
from dispatcher.adapters.mapping_conversions import conversions_for
from dispatcher.adapters.mapping_presets import PRESETS
from dispatcher.values import SourceRules

examples = settings(deadline=None, database=None, max_examples=150)

THEIRS = ["a", "b", "c", "a.b", "a.0.b", "#1", "#2", "#3", "uid", "ä", " "]
OURS = [*PATHS, "extra.x", "extra.y.z", "tags.t", "recordings.1.id", "recordings.1.url"]
ZONES = ["UTC", "Europe/London", "Asia/Kathmandu"]
FORMATS_ = ["%Y-%m-%d %H:%M:%S", "%d.%m.%y %H:%M", "%j %Y %I %p", "%Y%m%d%H"]

names = st.sampled_from(THEIRS)
words = st.dictionaries(st.text(min_size=1, max_size=3), st.none(), max_size=3)


@st.composite
def rules(draw: Any, ours: str) -> Any:
    """A rule of the field `ours`, right most of the time."""
    if draw(st.booleans()):
        return draw(names)
    how = draw(st.sampled_from(conversions_for(kind_of(ours) or "text")))
    rule: dict[str, Any] = {
        "from": draw(st.lists(names, min_size=1, max_size=3)),
        "as": how,
    }
    if draw(st.booleans()):
        rule["join"] = draw(st.sampled_from(["-", " ", "T"]))
    if draw(st.booleans()):
        rule["unknown"] = draw(st.lists(st.text(min_size=1, max_size=2), max_size=2))
    if how == "strftime":
        rule["format"] = draw(st.sampled_from(FORMATS_))
    if how == "words":
        rule |= {"words": draw(words), "default": None}
    return rule


@st.composite
def mappings(draw: Any) -> dict[str, Any]:
    ours = ["uid", "started_at", *draw(st.sets(st.sampled_from(OURS), max_size=6))]
    mapping: dict[str, Any] = {"fields": {one: draw(rules(one)) for one in ours}}
    options = {
        "body": st.sampled_from(BODIES),
        "records": st.sampled_from(["", "a", "a.b", "b.c"]),
        "unknown": st.lists(st.text(min_size=1, max_size=2), max_size=2),
        "only": st.just({"a": ["1"]}),
        "csv": st.fixed_dictionaries(
            {},
            optional={
                "delimiter": st.sampled_from(DELIMITERS),
                "quote": st.sampled_from(QUOTES),
                "encoding": st.sampled_from(ENCODINGS),
                "header": st.booleans(),
                "skip_lines": st.integers(0, 2),
                "skip_after_header": st.integers(0, 2),
                "columns": st.lists(st.sampled_from("abc"), unique=True),
            },
        ),
    }
    mapping |= draw(st.fixed_dictionaries({}, optional=options))
    return mapping


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    | st.sampled_from(["2026-11-23 14:05:09", "1790000000", "0:05", "no answer"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(THEIRS) | st.text(), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip
as_json = values.map(lambda value: json.dumps(value).encode())
as_csv = st.lists(
    st.lists(st.text(max_size=8) | st.sampled_from(THEIRS), max_size=4), max_size=6
).map(lambda rows: "\n".join(";".join(row) for row in rows).encode("utf-8", "replace"))
bodies = as_json | as_csv | st.binary() | st.lists(as_json).map(b"\n".join)


def check(body: bytes, mapping: dict[str, Any], zone: str = "UTC") -> None:
    """A call is one that the API would take; what is none comes back byte for byte."""
    items = Generic().decode(body, rules=SourceRules(mapping=mapping, zone=zone))
    assert items
    lost = [item for item in items if isinstance(item, Undecodable)]
    read = [item for item in items if isinstance(item, Read)]
    assert all(item.reason.encode() and item.body in body for item in lost)
    assert all(item.raw for item in read)
    assert [parse(dump(item.cdr).encode()) for item in read] == [i.cdr for i in read]
    if not read:
        assert b"".join(item.body for item in lost) == body


@examples
@given(mappings(), bodies, st.sampled_from(ZONES))
def test_a_mapping_that_is_right_never_raises_and_loses_nothing(mapping, body, zone):
    assume(judge(mapping) == [])

    check(body, mapping, zone)


@examples
@given(mappings(), st.lists(bodies, max_size=3))
def test_files_are_cut_and_read_without_loss(mapping, parts):
    assume(judge(mapping) == [])
    known = SourceRules(mapping=mapping)
    form = file_format("generic", known)
    assert form is not None
    data = b"\n".join(parts)

    records, taken = form.cut(data, is_end=True)
    items = form.read(records, head=records[: form.head_records], rules=known)

    assert (b"".join(records), taken) == (data, len(data))
    assert all(isinstance(item, (Read, Undecodable)) for item in items)


@examples
@given(values)
def test_anything_can_be_judged(value):
    for mapping in (value, {"fields": value}, {"fields": {"uid": value}, "csv": value}):
        assert all(error.message for error in judge(mapping))


@examples
@given(st.sampled_from(sorted(PRESETS)), bodies)
def test_no_preset_ever_raises(name, body):
    check(body, {"preset": name})


SIZE = 100_000
MOST = {
    "uid": {"from": ["a", "b", "c"], "join": "-"},
    "started_at": {"from": "a", "as": "strftime", "format": "%Y-%m-%d %H:%M:%S"},
    **{
        path: ["a", "b", "#9"]
        for path in PATHS
        if path.startswith(("legs", "contacts"))
    },
}
PIECES = [
    b"{", b"[", b'{"a":', b'{"a":1}\n', b'{"a":1},', b'"', b'"\n', b"\n", b"a\n", b",", b"a,b\n",
    b"a=1&", b"%00", b"\\", b"\xff", b"[]", b'"a","2026-11-23 14:05:09"\n', b"1" * 1000 + b"\n",
]  # fmt: skip


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("prefix", [b"", b"[", b"a,b,c\n", b"a="])
def test_100_kb_of_anything_cost_little(prefix, piece):
    body = prefix + piece * (SIZE // len(piece))
    rules = SourceRules(mapping={"fields": MOST})
    assert judge(rules.mapping) == []

    start = time.thread_time()
    Generic().decode(body, rules=rules)
    # Of the thread's own time, for others use the machine as well.
    taken = time.thread_time() - start

    assert taken < 0.2
    check(body, {"fields": MOST})


def test_a_thousand_records_in_100_kb_are_read_at_once():
    record = {"a": "2026-11-23 14:05:09", "b": "x", "c": "y"}
    body = json.dumps([record] * 1000).encode()
    assert len(body) < SIZE

    start = time.thread_time()
    items = Generic().decode(body, rules=SourceRules(mapping={"fields": MOST}))
    taken = time.thread_time() - start

    assert len(items) == 1000
    assert taken < 1
