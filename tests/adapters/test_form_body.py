"""Form data and queries: brackets mean objects and lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.adapters.base import BadCdr
from dispatcher.adapters.form_body import MAX_FIELDS, read_form


@pytest.mark.parametrize(
    ("body", "record"),
    [
        (b"a=1&b=x+y&c=%2B44&d=", {"a": "1", "b": "x y", "c": "+44", "d": ""}),
        (b"a[b]=1&a[c][d]=2&&", {"a": {"b": "1", "c": {"d": "2"}}}),
        (b"a%5Bb%5D[]=1&a[b][]=2", {"a": {"b": ["1", "2"]}}),
        (b"a=1&a=2", {"a": "2"}),
        (b"a[=1&b]c=2", {"a[": "1", "b]c": "2"}),
        (b"", {}),
    ],
)
def test_names_in_brackets_are_inside_others(body, record):
    assert read_form(body) == record


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"a=1&a[b]=2", "is a value and an object"),
        (b"a[b]=2&a=1", "is a value and an object"),
        (b"a=1&a[]=2", "is a value and a list"),
        (b"a[]=1&a[b]=2", "is a value and an object"),
        (b"a=%ff", "not UTF-8"),
        (b"\xff=1", "not UTF-8"),
        (b"a" + b"[b]" * 9 + b"=1", "nested too deeply"),
        (b"a=1&" * (MAX_FIELDS + 1), "more than 500 fields"),
    ],
)
def test_what_contradicts_itself_is_refused(body, reason):
    with pytest.raises(BadCdr, match=reason):
        read_form(body)


@given(st.binary())
def test_any_bytes_are_a_record_or_refused(body):
    try:
        assert isinstance(read_form(body), dict)
    except BadCdr as bad:
        assert bad.errors[0].field == "body"  # noqa: PT017
