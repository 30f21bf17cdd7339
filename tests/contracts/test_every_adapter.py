"""What holds for every adapter of the registry; a new one is tested by being there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.adapters.base import Read, Undecodable
from dispatcher.adapters.cdr_json import dump, load, parse
from dispatcher.adapters.registry import ADAPTERS, adapter

SAMPLES = Path(__file__).parents[1] / "samples"
BODIES = [path for path in sorted(SAMPLES.rglob("real_*")) if path.is_file()]

every_adapter = pytest.mark.parametrize("name", sorted(ADAPTERS))
every_body = pytest.mark.parametrize("path", BODIES, ids=lambda path: path.name)


def decoded(name: str, body: bytes, **request: Any) -> list[Read | Undecodable]:
    found = adapter(name)
    assert found is not None
    return list(found.decode(body, **request))


@every_adapter
def test_its_name_is_the_one_it_is_registered_by(name):
    found = adapter(name)

    assert found is not None
    assert found.name == name
    assert re.fullmatch(r"[a-z0-9-]+", name)


def test_an_unknown_name_finds_no_adapter():
    assert adapter("no-such-pbx") is None


@every_adapter
def test_it_reads_bodies_that_were_recorded_from_its_pbx(name):
    bodies = [path for path in BODIES if path.parent.name == name]

    items = [item for path in bodies for item in decoded(name, path.read_bytes())]

    assert any(isinstance(item, Read) for item in items)


@every_adapter
@every_body
def test_what_it_cannot_read_comes_back_byte_for_byte_with_a_reason(name, path):
    body = path.read_bytes()

    items = decoded(name, body)

    assert items
    lost = [item for item in items if isinstance(item, Undecodable)]
    assert all(item.reason and item.body in body for item in lost)
    assert len(items) > len(lost) or b"".join(item.body for item in lost) == body


@every_adapter
@every_body
def test_every_record_would_be_taken_by_the_api_and_stored_exactly(name, path):
    items = decoded(name, path.read_bytes())

    records = [item.cdr for item in items if isinstance(item, Read)]

    assert [parse(dump(cdr).encode()) for cdr in records] == records
    assert [load(dump(cdr)) for cdr in records] == records


@every_adapter
@every_body
def test_what_a_record_was_read_from_is_kept_beside_it(name, path):
    body = path.read_bytes()

    read = [item for item in decoded(name, body) if isinstance(item, Read)]

    assert all(item.raw for item in read)
    assert len(read) != 1 or read[0].raw == body


@every_adapter
@every_body
def test_the_same_bytes_give_the_same_records(name, path):
    body = path.read_bytes()

    assert decoded(name, body) == decoded(name, body)


@every_adapter
def test_an_empty_body_is_kept_too(name):
    [item] = decoded(name, b"")

    assert isinstance(item, Undecodable)
    assert item.body == b""


@every_adapter
@settings(deadline=None, database=None)
@given(body=st.binary(), content_type=st.text(max_size=20), query=st.text(max_size=20))
def test_it_never_raises(name, body, content_type, query):
    items = decoded(name, body, content_type=content_type, query=query)

    assert items
    assert all(isinstance(item, (Read, Undecodable)) for item in items)
