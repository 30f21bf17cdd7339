"""What holds for every adapter of the registry; a new one is tested by being there.

Its samples are in tests/samples/{name}: `real_*` as a PBX wrote them, `documented_*` of
our own in the shape that its documents describe, each with `.expected.json` beside it:
what becomes of it in the zone Europe/London, in order.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.adapters.base import OwnHttp, Read, Undecodable, WrongSignature
from dispatcher.adapters.cdr_json import dump, load, parse
from dispatcher.adapters.registry import ADAPTERS, adapter
from dispatcher.values import SourceRules

SAMPLES = Path(__file__).parents[1] / "samples"
EXPECTED = ".expected.json"
LONDON = SourceRules(zone="Europe/London")


def bodies(pattern: str) -> list[Path]:
    """The samples of all PBXs with such a name."""
    found = (path for path in sorted(SAMPLES.glob(f"*/{pattern}")) if path.is_file())
    return [path for path in found if not path.name.endswith(EXPECTED)]


DOCUMENTED = [path for path in bodies("documented_*") if path.parent.name in ADAPTERS]
BODIES = [*bodies("real_*"), *DOCUMENTED]

every_adapter = pytest.mark.parametrize("name", sorted(ADAPTERS))
every_body = pytest.mark.parametrize(
    "path", BODIES, ids=lambda path: f"{path.parent.name}-{path.name}"
)


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
def test_it_has_samples_and_reads_them(name):
    own = [path for path in BODIES if path.parent.name == name]

    items = [item for path in own for item in decoded(name, path.read_bytes())]

    assert any(isinstance(item, Read) for item in items)


@pytest.mark.parametrize(
    "path", DOCUMENTED, ids=lambda path: f"{path.parent.name}-{path.name}"
)
def test_what_stands_beside_a_documented_sample_comes_of_it(path):
    expected = json.loads(path.with_name(path.name + EXPECTED).read_text())

    items = decoded(path.parent.name, path.read_bytes(), rules=LONDON)

    assert expected == [
        json.loads(dump(item.cdr))
        if isinstance(item, Read)
        else {"refused": item.reason}
        for item in items
    ]


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

    assert all(item.raw and item.raw in body for item in read)


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


@every_adapter
@settings(deadline=None, database=None)
@given(body=st.binary(), signature=st.text(max_size=20))
def test_with_a_secret_it_raises_nothing_but_that_the_signature_is_wrong(
    name, body, signature
):
    headers, rules = {"x-signature": signature}, SourceRules(secret="s3cret")

    told: object
    try:
        told = decoded(name, body, headers=headers, rules=rules)
    except WrongSignature as refused:
        told = str(refused)

    assert told


ASKED = sorted(
    name
    for name, found in ADAPTERS.items()
    if isinstance(found, OwnHttp) and "GET" in found.methods
)


@pytest.mark.parametrize("name", ASKED)
def test_a_query_without_a_body_is_read_as_form_data_is(name):
    [form] = SAMPLES.glob(f"{name}/documented_*.form")

    by_query = decoded(name, b"", query=form.read_text())

    assert by_query == decoded(name, form.read_bytes())
    assert [type(item) for item in by_query] == [Read]


@pytest.mark.parametrize("name", ASKED)
def test_a_query_that_cannot_be_read_is_kept(name):
    [item] = decoded(name, b"", query="a=b&c")

    assert isinstance(item, Undecodable)
    assert item.body == b"a=b&c"
