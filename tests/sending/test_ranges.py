"""Byte ranges are read strictly and applied to a size."""

import pytest

from dispatcher.sending.ranges import (
    ByteRange,
    Span,
    parse_content_range,
    parse_range,
    unsatisfied_size,
)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-499", ByteRange(0, 499)),
        ("Bytes=5-", ByteRange(5, None)),
        ("bytes=-5", ByteRange(None, 5)),
        (" bytes= 0-0 ", ByteRange(0, 0)),
        ("bytes=99999999999999999999-", ByteRange(99999999999999999999, None)),
    ],
)
def test_one_range_is_read(header, expected):
    assert parse_range(header) == expected


@pytest.mark.parametrize(
    "header",
    [
        *("", "bytes", "bytes=", "bytes=-", "bytes=5-4", "bytes=0-1,3-4"),
        *("items=0-1", "bytes=a-b", "bytes=--1", "bytes=0-1-2"),
        *("bytes=\u0661-", "bytes=" + "9" * 5000),
    ],
)
def test_several_ranges_and_malformed_ones_are_none(header):
    assert parse_range(header) is None


@pytest.mark.parametrize(
    ("wanted", "size", "expected"),
    [
        (ByteRange(0, 4), 10, Span(0, 4, 10)),
        (ByteRange(5, None), 10, Span(5, 9, 10)),
        (ByteRange(5, 99), 10, Span(5, 9, 10)),
        (ByteRange(None, 3), 10, Span(7, 9, 10)),
        (ByteRange(None, 99), 10, Span(0, 9, 10)),
        (ByteRange(None, 0), 10, None),
        (ByteRange(10, None), 10, None),
        (ByteRange(0, None), 0, None),
        (ByteRange(None, 1), 0, None),
    ],
)
def test_a_range_is_applied_to_a_size(wanted, size, expected):
    assert wanted.within(size) == expected


def test_ranges_and_spans_are_written_as_headers_hold_them():
    ranges = (ByteRange(0, 4), ByteRange(5, None), ByteRange(None, 5))
    assert [str(each) for each in ranges] == ["bytes=0-4", "bytes=5-", "bytes=-5"]
    assert str(Span(0, 4, 10)) == "bytes 0-4/10"
    assert str(Span(0, 4, None)) == "bytes 0-4/*"
    assert Span(2, 4, 10).length == 3


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes 0-4/10", Span(0, 4, 10)),
        ("bytes 0-4/*", Span(0, 4, None)),
        ("bytes 5-4/10", None),
        ("bytes 5-10/10", None),
        ("bytes */10", None),
        ("", None),
    ],
)
def test_a_content_range_must_make_sense(header, expected):
    assert parse_content_range(header) == expected


@pytest.mark.parametrize(
    ("header", "size"), [("bytes */10", 10), ("bytes 0-4/10", None)]
)
def test_the_size_is_told_where_no_range_was(header, size):
    assert unsatisfied_size(header) == size


@pytest.mark.parametrize(
    ("asked", "answered", "fits"),
    [
        ("bytes=0-9", Span(0, 9, 100), True),
        ("bytes=0-9", Span(0, 4, 100), True),
        ("bytes=0-9", Span(0, 9, None), True),
        ("bytes=-10", Span(90, 99, 100), True),
        ("bytes=-10", Span(90, 99, None), True),
        ("bytes=0-9", Span(50, 59, 100), False),
        ("bytes=0-9", Span(0, 10, 100), False),
        ("bytes=0-9", Span(1, 9, None), False),
        ("bytes=-10", Span(0, 9, 100), False),
    ],
)
def test_a_part_answers_a_range_that_it_begins(asked, answered, fits):
    wanted = parse_range(asked)

    assert wanted is not None
    assert wanted.begins(answered) is fits
