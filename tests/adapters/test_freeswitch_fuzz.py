"""Whatever comes in: a record or the same bytes back, never anything else."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.adapters.base import Read, Undecodable
from dispatcher.adapters.freeswitch import FreeSwitch

FOLDER = Path(__file__).parents[1] / "samples" / "freeswitch"
SAMPLES = [path.read_bytes() for path in sorted(FOLDER.glob("real_*"))]
XML = unquote_to_bytes(
    (FOLDER / "real_mod_xml_cdr_form_urlencoded.body").read_bytes()
).removeprefix(b"cdr=")
SAMPLES.append(XML)
SIZE = 100_000

samples = st.sampled_from(SAMPLES)
examples = settings(deadline=None, database=None, max_examples=300)


def check(body: bytes) -> None:
    [item] = FreeSwitch().decode(body)
    assert isinstance(item, (Read, Undecodable))
    if isinstance(item, Undecodable):
        assert item.body == body
        assert item.reason.encode()


@examples
@given(
    st.binary(),
    st.sampled_from(
        [b"", b"cdr=", b"{", b"%7B", b"cdr=%7B", b"cdr=ey", b"<", b"%3C", b"cdr=<cdr>"]
    ),
)
def test_any_bytes_are_answered(body, prefix):
    check(prefix + body)


@examples
@given(samples, st.data())
def test_a_body_that_was_cut_anywhere_is_answered(body, data):
    check(body[: data.draw(st.integers(0, len(body)))])


@examples
@given(samples, st.data(), st.binary(max_size=8))
def test_a_body_that_was_changed_anywhere_is_answered(body, data, other):
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, min(len(body), start + 8)))

    check(body[:start] + other + body[end:])


@pytest.mark.parametrize(
    "piece",
    [
        b"{",
        b'{"a":',
        b"%7B",
        b"%",
        b"%%",
        b"cdr=",
        b"A",
        b"\0",
        b" ",
        b",",
        b"=",
        b"&",
        b'"\\',
        b"<",
        b"<cdr>",
        b"<a b='c'>",
        b"<1>x</1>",
        b"<x>1</x>",
        b"%3Cx%3E",
        b"&amp;",
        b"&#1;",
    ],
)
@pytest.mark.parametrize(
    "prefix",
    [
        b"",
        b"cdr=",
        b"{",
        b"cdr=%7B%22",
        b"cdr=ey",
        b"cdr=%3Ccdr%3E",
        b"<cdr><variables>",
        b"<cdr><callflow><caller_profile>",
        b"<cdr a='",
    ],
)
def test_100_kb_of_anything_are_read_or_kept(prefix, piece):
    body = prefix + piece * (SIZE // len(piece))

    check(body)
