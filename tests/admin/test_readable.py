"""How bytes, JSON and points in time are shown."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from dispatcher.admin import moments, readable
from dispatcher.models.ids import first_id_at

NOW = dt.datetime(2026, 11, 20, 10, 0, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("Café\r\n\tok".encode(), "Café\n\tok"),
        (b"\xff\xfe", "\\xff\\xfe"),
        (b"a\x1b[31m\x00", "a\\x1b[31m\\x00"),
        ("a\u202eb".encode(), "a\\u202eb"),
    ],
)
def test_text_shows_what_a_terminal_or_a_browser_would_hide(
    body: bytes, shown: str
) -> None:
    assert readable.text(body) == shown


def test_text_says_how_much_it_leaves_out() -> None:
    assert readable.text(b"x" * 5000, 4096).endswith("… 904 more bytes")


@pytest.mark.parametrize(
    "document",
    [
        '{"a":0.0350,"b":[1E5,12345678901234567890123],"c":{},"d":[],"e":"x,{\\"}"}',
        "[]",
        '"only text"',
        "17.50",
    ],
)
def test_json_is_indented_and_means_the_same(document: str) -> None:
    shown = readable.json_text(document)

    assert json.loads(shown) == json.loads(document)


def test_json_keeps_every_digit_and_decodes_escapes() -> None:
    shown = readable.json_text('{"cost":0.0350,"name":"Caf\\u00e9"}')

    assert shown == '{\n  "cost": 0.0350,\n  "name": "Café"\n}'


@pytest.mark.parametrize("document", ["{", "[" * 100_000, "not json"])
def test_what_is_no_json_is_shown_as_it_is(document: str) -> None:
    assert readable.json_text(document).startswith(document[:100])


def test_a_huge_payload_is_not_laid_out() -> None:
    body = b'{"items":[' + b"1," * 400_000 + b"1]}"

    assert readable.payload_text("application/json", body).startswith('{"items":[1,1')


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "now"),
        (4, "in 4 s"),
        (-59, "59 s ago"),
        (-61, "1 min ago"),
        (7200, "in 2 h"),
        (-200_000, "2 d ago"),
    ],
)
def test_a_moment_is_told_in_its_largest_unit(seconds: int, shown: str) -> None:
    assert moments.relative(NOW + dt.timedelta(seconds=seconds), NOW) == shown


def test_the_first_id_of_a_moment_sorts_before_every_id_made_then() -> None:
    first = first_id_at(NOW)

    assert first.version == 7
    assert first < first_id_at(NOW + dt.timedelta(milliseconds=1))
    assert first_id_at(dt.datetime(1960, 1, 1, tzinfo=dt.UTC)).int >> 80 == 0
