"""JSON and form data are exact, whatever a call contains."""

import datetime as dt
import json
from decimal import Decimal
from enum import IntEnum
from urllib.parse import parse_qsl, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.payloads.encoding import form_bytes, json_bytes, number_text
from tests.payloads.records import CDR_ID

UTF8_TEXT = st.text(st.characters(codec="utf-8"))
NUMBERS = st.one_of(
    st.integers(), st.decimals(allow_nan=False, allow_infinity=False, places=6)
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, UTF8_TEXT),
    lambda inner: st.lists(inner) | st.dictionaries(UTF8_TEXT, inner),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("0.0350", "0.035"),
        ("0.035", "0.035"),
        ("1E+3", "1000"),
        ("3.5E-7", "0.00000035"),
        ("100", "100"),
        ("100.00", "100"),
        ("0.00", "0"),
        ("-0.0", "0"),
        ("-1.50", "-1.5"),
        ("0E-99", "0"),
        ("1234567890123456789012345678901234567890.12", None),
    ],
)
def test_it_writes_decimals_exactly_and_without_exponent(number, text):
    assert number_text(Decimal(number)) == (text or number)


def test_it_does_not_write_a_million_zeros():
    assert number_text(Decimal("1E+999999")) == "1E+999999"


@pytest.mark.parametrize("number", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_a_number_that_json_has_no_word_for_is_null_and_no_form_field(number):
    value = {"cost": Decimal(number)}

    assert json_bytes(value) == b'{"cost":null}'
    assert form_bytes(value) == b""


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (True, b"true"),
        (0, b"0"),
        (0.1, b"0.1"),
        (1e22, b"10000000000000000000000"),
        (float("nan"), b"null"),
        ("Zoë 😀", '"Zoë 😀"'.encode()),
        ("\ud800", b'"?"'),
        (CDR_ID, b'"01920000-0000-7000-8000-000000000002"'),
        (dt.datetime(2024, 5, 29, 8, tzinfo=dt.UTC), b'"2024-05-29T08:00:00+00:00"'),
        ((1, [2, None]), b"[1,[2,null]]"),
    ],
)
def test_it_writes_each_type_as_json(value, encoded):
    assert json_bytes(value) == encoded


def test_a_subclass_is_written_as_what_it_is_a_kind_of():
    class Colour(IntEnum):
        RED = 3

    assert form_bytes({"a": Colour.RED}) == b"a=3"
    assert json_bytes(Colour.RED) == b"3"


@pytest.mark.parametrize("encode", [json_bytes, form_bytes])
def test_it_refuses_what_no_payload_carries(encode):
    with pytest.raises(TypeError, match="cannot carry set"):
        encode({"a": {1, 2}})


def test_form_names_nest_in_brackets_and_leave_nulls_out():
    payload = {"cdr": {"ids": ["a b", None, "c+d"], "none": None, "ok": True}, "e": []}

    encoded = form_bytes(payload)

    assert encoded == b"cdr%5Bids%5D%5B0%5D=a+b&cdr%5Bids%5D%5B2%5D=c%2Bd&cdr%5Bok%5D=1"


@settings(deadline=None)
@given(VALUES)
def test_any_value_comes_back_from_json_as_it_was(value):
    read = json.loads(json_bytes(value), parse_float=Decimal)

    assert read == value


@settings(deadline=None)
@given(st.dictionaries(UTF8_TEXT, UTF8_TEXT))
def test_any_text_comes_back_from_form_data_as_it_was(payload):
    read = parse_qsl(form_bytes(payload).decode(), keep_blank_values=True)

    assert dict(read) == payload


@settings(deadline=None)
@given(UTF8_TEXT)
def test_it_quotes_as_the_standard_library_does(text):
    assert form_bytes({"a": text}) == f"a={quote_plus(text)}".encode()
