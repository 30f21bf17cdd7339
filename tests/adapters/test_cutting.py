"""Files are cut into the same records in whichever pieces they come."""

from __future__ import annotations

import csv
import io
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dispatcher.adapters.cutting import (
    MAX_RECORD_BYTES,
    MAX_RECORD_LINES,
    cut_document,
    cut_lines,
    cut_quoted_lines,
)

ROW = b'"","100","200","a",16\n'
UNCLOSED = b'"","100","2\n'

every_cut = pytest.mark.parametrize("cut", [cut_lines, cut_quoted_lines, cut_document])
# What decides where a record ends, and little else.
anything = st.lists(
    st.sampled_from([b'"', b'""', b"\n", b"\r\n", b",", b";", b"a", b"\x00\xff"]),
    max_size=200,
).map(b"".join)
lines_of_quotes = st.lists(
    st.sampled_from([ROW, UNCLOSED, b'"\n', b'""""\n', b'5" x,1\n', b'"a\nb",1\n']),
    max_size=3 * MAX_RECORD_LINES,
).map(b"".join)


def followed(cut, data, sizes):
    """The records of data that comes in pieces, as a file that grows does."""
    records, buffer, start = [], b"", 0
    for size in [*sizes, len(data)]:
        piece = data[start : start + size]
        start += len(piece)
        some, taken = cut(buffer + piece, is_end=False)
        buffer = (buffer + piece)[taken:]
        records += some
    some, taken = cut(buffer, is_end=True)
    assert taken == len(buffer)
    return records + some


@every_cut
@given(data=st.one_of(anything, lines_of_quotes), is_end=st.booleans())
def test_the_records_are_exactly_the_bytes_taken(cut, data, is_end):
    records, taken = cut(data, is_end=is_end)

    assert b"".join(records) == data[:taken]
    assert all(records)
    assert taken == len(data) or not is_end


@every_cut
@given(
    data=st.one_of(anything, lines_of_quotes),
    sizes=st.lists(st.integers(1, 400), max_size=20),
)
@example(data=b'5" a,"b\nc",d\n', sizes=[7])
def test_in_which_pieces_a_file_comes_makes_no_difference(cut, data, sizes):
    assert followed(cut, data, sizes) == cut(data, is_end=True)[0]


@pytest.mark.parametrize("cut", [cut_lines, cut_quoted_lines])
@pytest.mark.parametrize("filler", [b"a", b'"', b'"a', b'",', b'""\n"'])
def test_that_holds_for_records_without_an_end_as_well(cut, filler):
    data = (filler * (3 * MAX_RECORD_BYTES))[: 2 * MAX_RECORD_BYTES + 5] + b"\n" + ROW

    records = cut(data, is_end=True)[0]

    assert followed(cut, data, [MAX_RECORD_BYTES - 1, 1, 1, 70_000]) == records
    assert max(map(len, records)) <= MAX_RECORD_BYTES
    assert b"".join(records) == data


@given(
    rows=st.lists(
        st.lists(st.text('ab"\n,;é', max_size=6), min_size=2, max_size=4), max_size=30
    ),
    separator=st.sampled_from(",;\t|"),
)
def test_what_python_writes_as_a_csv_record_is_one(rows, separator):
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator="\r\n")
    ends = []
    for row in rows:
        writer.writerow([text.replace("\n", "\r\n") for text in row])
        ends.append(len(out.getvalue().encode()))

    records, taken = cut_quoted_lines(out.getvalue().encode(), is_end=False)

    assert taken == (ends[-1] if ends else 0)
    assert len(records) == len(rows)


def test_a_quote_that_is_never_closed_costs_its_own_line_only():
    # Bytes behind it hold no quote that would close it.
    data = ROW + b'1,"2\n' + b"1,2\n" * 1000

    records, taken = cut_quoted_lines(data, is_end=False)

    assert taken == len(data)
    assert records == [ROW, b'1,"2\n', *[b"1,2\n"] * 1000]


def test_a_record_that_may_go_on_is_waited_for():
    assert cut_quoted_lines(ROW + b'1,"2\n3', is_end=False) == ([ROW], len(ROW))
    assert cut_quoted_lines(b'1,"2\n3"\n', is_end=False) == ([b'1,"2\n3"\n'], 8)


def test_half_a_line_is_a_record_at_the_end_only():
    assert cut_lines(b"a\nb", is_end=False) == ([b"a\n"], 2)
    assert cut_lines(b"a\nb", is_end=True) == ([b"a\n", b"b"], 3)


def test_quotes_within_a_field_do_not_join_lines():
    data = b'"a",5" pipe\n"b",6" pipe\n'

    assert cut_quoted_lines(data, is_end=False)[0] == data.splitlines(keepends=True)


def test_a_document_is_complete_at_its_end_only():
    assert cut_document(b"{}\n", is_end=False) == ([], 0)
    assert cut_document(b"{}\n", is_end=True) == ([b"{}\n"], 3)
    assert cut_document(b"", is_end=True) == ([], 0)


@every_cut
@pytest.mark.parametrize("line", [ROW, UNCLOSED, b'1,"\n', b'"' * 1000, b"a" * 1000])
def test_a_megabyte_takes_no_time(cut, line):
    data = line * (1_000_000 // len(line))
    began = time.process_time()

    cut(data, is_end=True)

    assert time.process_time() - began < 1
