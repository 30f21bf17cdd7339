"""Files of an err-log-dir: cut into legs, and read as if they had been posted."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.adapters.base import Read, Undecodable
from dispatcher.adapters.formats import FORMATS
from dispatcher.adapters.freeswitch import FreeSwitch
from dispatcher.adapters.freeswitch_files import MAX_LEG_BYTES
from dispatcher.pipeline.chunks import is_document

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = Path(__file__).parents[1] / "samples" / "freeswitch"
JSON = (FOLDER / "real_mod_json_cdr_plain_application_json.body").read_bytes()
BUSY = (FOLDER / "real_mod_format_cdr_appljson_busy.body").read_bytes()
FORM = (FOLDER / "real_mod_xml_cdr_form_urlencoded.body").read_bytes()
XML = unquote_to_bytes(FORM).removeprefix(b"cdr=")
PRETTY = json.dumps(json.loads(JSON), indent=2).encode() + b"\n"
LEGS = (
    JSON + b"\n",
    BUSY + b"\n",
    PRETTY,
    XML,
    FORM + b"\n",
    quote(BUSY).encode() + b"\n",
)

both = pytest.mark.parametrize("name", ["freeswitch-json", "freeswitch-xml"])


def cut(
    data: bytes, name: str = "freeswitch-json", *, is_end: bool = True
) -> list[bytes]:
    return FORMATS[name].cut(data, is_end=is_end)[0]


def read(data: bytes, name: str = "freeswitch-json") -> Sequence[Read | Undecodable]:
    return FORMATS[name].read(cut(data, name))


def posted(body: bytes) -> Read:
    [item] = FreeSwitch().decode(body)
    assert isinstance(item, Read)
    return item


@both
@pytest.mark.parametrize(
    "in_file",
    [
        JSON + b"\n",
        JSON,
        quote(JSON).encode() + b"\n",
        base64.b64encode(JSON) + b"\n",
        b"cdr=" + quote(JSON).encode() + b"\n",
        PRETTY,
        PRETTY.replace(b"\n", b"\r\n"),
    ],
    ids=["plain", "no line end", "escaped", "base64", "form", "pretty", "crlf"],
)
def test_a_leg_in_a_file_is_the_same_record_as_on_the_wire(name, in_file):
    [item] = read(in_file, name)

    assert isinstance(item, Read)
    assert item.cdr == posted(JSON).cdr
    assert item.raw == in_file
    assert not item.is_excerpt


@pytest.mark.parametrize(
    "in_file",
    [XML, quote(XML).encode(), base64.b64encode(XML), XML.rstrip(), b"cdr=" + XML],
    ids=["plain", "escaped", "base64", "no line end", "plaintext"],
)
def test_a_leg_in_an_xml_file_is_the_same_record_as_on_the_wire(in_file):
    [item] = read(in_file, "freeswitch-xml")

    assert isinstance(item, Read)
    assert item.cdr == posted(FORM).cdr


@both
def test_legs_one_behind_the_other_are_cut_apart(name):
    assert cut(b"".join(LEGS), name) == list(LEGS)


def test_a_leg_that_has_no_end_costs_only_itself():
    broken = PRETTY[:500].rpartition(b"\n")[0] + b"\n"

    assert cut(broken + PRETTY + broken + XML) == [broken, PRETTY, broken, XML]


def test_blank_lines_are_no_legs():
    assert len(read(b"\n" + BUSY + b"\r\n\r\n\n" + JSON)) == 2


@both
def test_a_folder_takes_a_file_for_a_document(name):
    # Else it would wait for the end of a line that mod_xml_cdr does not write.
    assert is_document(FORMATS[name])
    assert cut(b" \r\n\n", name) == [b" \r\n\n"]
    assert read(b" \r\n\n", name) == []


def test_a_line_that_is_no_leg_is_kept_with_its_reason():
    first, second = read(b"not a leg\n" + BUSY)

    assert isinstance(first, Undecodable)
    assert first.body == b"not a leg\n"
    assert isinstance(second, Read)


@pytest.mark.parametrize("leg", [JSON, PRETTY.rstrip(), XML.rstrip()])
def test_what_may_still_grow_is_not_read_yet(leg):
    assert cut(leg[:-3], is_end=False) == []
    assert cut(leg + b"\n", is_end=False) == [leg + b"\n"]


def test_a_leg_that_never_ends_does_not_fill_the_memory():
    data = b"{\n" + b'"a": 1,\n' * (MAX_LEG_BYTES // 8) + BUSY + b"\n"

    records = cut(data, is_end=False)

    assert b"".join(records) == data
    assert records[-1] == BUSY + b"\n"


@settings(deadline=None, database=None, max_examples=200)
@given(st.data())
def test_in_which_pieces_a_file_comes_makes_no_difference(data):
    whole = b"".join(LEGS)
    place = data.draw(st.integers(0, len(whole)))
    documents = FORMATS["freeswitch-json"]

    first, taken = documents.cut(whole[:place], is_end=False)
    rest, _ = documents.cut(whole[taken:], is_end=True)

    assert first + rest == list(LEGS)


@settings(deadline=None, database=None, max_examples=200)
@given(st.sampled_from(LEGS), st.data(), st.binary(max_size=8))
def test_a_file_that_was_changed_anywhere_loses_no_byte(leg, data, other):
    start = data.draw(st.integers(0, len(leg)))
    changed = leg[:start] + other + leg[start + len(other) :]

    records = cut(changed)

    assert b"".join(records) == changed
    assert all(isinstance(i, (Read, Undecodable)) for i in read(changed))
