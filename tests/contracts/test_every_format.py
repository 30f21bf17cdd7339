"""What holds for every file format of the registry; a new one is tested by being there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.adapters.base import FileFormat, Read, Undecodable
from dispatcher.adapters.cdr_json import dump, parse
from dispatcher.adapters.formats import FORMATS, file_format

SAMPLES = Path(__file__).parents[1] / "samples"
FILES = [path for path in sorted(SAMPLES.rglob("real_*")) if path.is_file()]

every_format = pytest.mark.parametrize("name", sorted(FORMATS))
every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
examples = settings(deadline=None, database=None, max_examples=50)


def found(name: str) -> FileFormat:
    file = file_format(name)
    assert file is not None
    return file


def read(name: str, data: bytes) -> list[Read | Undecodable]:
    file = found(name)
    records, _ = file.cut(data, is_end=True)
    return file.read(records[file.head_records :], head=records[: file.head_records])


@every_format
def test_its_name_is_the_one_it_is_registered_by(name):
    assert found(name).name == name
    assert re.fullmatch(r"[a-z0-9-]+", name)


def test_an_unknown_name_finds_no_format():
    assert file_format("no-such-format") is None


@every_format
@every_file
def test_cutting_loses_no_byte_in_whichever_pieces_a_file_comes(name, path):
    data = path.read_bytes()
    records, taken = found(name).cut(data, is_end=True)

    for place in range(0, len(data), max(1, len(data) // 7)):
        first, end = found(name).cut(data[:place], is_end=False)
        rest, _ = found(name).cut(data[end:], is_end=True)
        assert first + rest == records

    assert taken == len(data)
    assert b"".join(records) == data


@every_format
@every_file
def test_what_it_cannot_read_comes_back_as_it_was_with_a_reason(name, path):
    data = path.read_bytes()

    lost = [item for item in read(name, data) if isinstance(item, Undecodable)]

    assert all(item.reason and item.body and item.body in data for item in lost)


@every_format
@every_file
def test_every_record_would_be_taken_by_the_api_and_has_its_bytes_beside_it(name, path):
    data = path.read_bytes()

    taken = [item for item in read(name, data) if isinstance(item, Read)]

    assert [parse(dump(item.cdr).encode()) for item in taken] == [i.cdr for i in taken]
    assert all(item.raw for item in taken)


@every_format
@examples
@given(data=st.binary())
def test_it_never_raises(name, data):
    assert all(isinstance(item, (Read, Undecodable)) for item in read(name, data))


@every_format
def test_an_empty_file_has_no_calls(name):
    assert read(name, b"") == []
