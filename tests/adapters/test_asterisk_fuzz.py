"""Whatever files and rows hold: calls or the same bytes back, never anything else."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.adapters.asterisk import Asterisk
from dispatcher.adapters.asterisk_clock import clock_of
from dispatcher.adapters.asterisk_row import DISPOSITIONS, Row, cdr_of
from dispatcher.adapters.base import PLAIN, BadCdr, Read, Undecodable
from dispatcher.adapters.cdr_json import dump, load, parse
from dispatcher.adapters.formats import FORMATS
from dispatcher.adapters.rows import ROWS

FOLDER = Path(__file__).parents[1] / "samples"
FORMATS_HERE = ["asterisk-csv", "asterisk-json", "kamailio"]
SAMPLES = [
    path.read_bytes()
    for folder in ("asterisk", "kamailio")
    for path in sorted((FOLDER / folder).iterdir())
]
SIZE = 100_000

examples = settings(deadline=None, database=None, max_examples=100)
samples = st.sampled_from(SAMPLES)
formats = st.sampled_from(FORMATS_HERE)


def check(name: str, data: bytes) -> None:
    """A whole file: each record that is not blank comes back, as a call or as it was."""
    records, taken = FORMATS[name].cut(data, is_end=True)
    assert taken == len(data)
    items = FORMATS[name].read(records)
    told = [item.raw if isinstance(item, Read) else item.body for item in items]
    assert [one for one in told if one.strip()] == [r for r in records if r.strip()]


@examples
@given(formats, st.binary())
def test_any_bytes_are_a_file(name, data):
    check(name, data)


@examples
@given(formats, samples, st.data())
def test_a_file_that_was_cut_anywhere_is_read(name, data, draw):
    start = draw.draw(st.integers(0, len(data)))

    check(name, data[start : draw.draw(st.integers(start, len(data)))])


@examples
@given(formats, samples, st.data(), st.binary(max_size=8))
def test_a_file_that_was_changed_anywhere_is_read(name, data, draw, other):
    start = draw.draw(st.integers(0, len(data)))

    check(name, data[:start] + other + data[start + draw.draw(st.integers(0, 8)) :])


@pytest.mark.parametrize(
    "piece", [b'"', b",", b'",', b"\n", b'"\n', b"{", b"\0", b'\\"']
)
@pytest.mark.parametrize("name", FORMATS_HERE)
def test_100_kb_of_anything_are_read_or_kept(name, piece):
    check(name, piece * (SIZE // len(piece)))


@examples
@given(samples, st.data(), st.binary(max_size=8))
def test_a_body_that_was_changed_anywhere_is_answered(body, draw, other):
    start = draw.draw(st.integers(0, len(body)))
    changed = body[:start] + other + body[start + draw.draw(st.integers(0, 8)) :]

    items = Asterisk().decode(changed)

    assert all(isinstance(item, (Read, Undecodable)) for item in items)
    assert any(isinstance(item, Read) for item in items) or (
        b"".join(i.body for i in items if isinstance(i, Undecodable)).split()
        == changed.split()
    )


scalars = st.one_of(
    *(st.none(), st.text(max_size=20), st.integers(), st.floats(), st.booleans()),
    *(st.datetimes(), st.binary(max_size=8), st.decimals(), st.timedeltas()),
)
names = st.sampled_from(
    [*Row._fields, "calldate", "start_time", "end_time", "did", "sip_code", "Ä"]
)


@examples
@given(st.sampled_from(sorted(ROWS)), st.dictionaries(names, scalars))
def test_any_row_is_a_call_or_kept(name, row):
    item = ROWS[name].read(row, PLAIN)

    assert isinstance(item, (Read, Undecodable))
    assert not isinstance(item, Read) or load(dump(item.cdr)) == item.cdr


# What a row of a file can hold: no half characters, and here none that is refused.
texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=90
)
moments = st.datetimes(dt.datetime(1969, 12, 31), dt.datetime(9999, 12, 31))  # noqa: DTZ001
times = moments.map(lambda moment: f"{moment:%Y-%m-%d %H:%M:%S}") | texts
numbers = st.integers(0, 10**12).map(str) | st.sampled_from(["", "0", "7", "1.5"])
columns = {
    **dict.fromkeys(Row._fields, texts),
    **dict.fromkeys(("answer", "end"), times | st.just("")),
    "start": times,
    **dict.fromkeys(("duration", "billsec", "sequence"), numbers),
    "disposition": st.sampled_from(sorted(DISPOSITIONS)),
    "dstchannel": texts | st.just("PJSIP/202-0000001a"),
    "uniqueid": texts | st.just("pbx-1795392553.11"),
}
rows = st.tuples(*(columns[name] for name in Row._fields)).map(Row._make)


@settings(deadline=None, database=None, max_examples=300)
@given(rows, st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe"]))
def test_a_short_row_is_what_the_strict_way_would_make_of_it(row, zone):
    quick = cdr_or_none(row, zone, is_short=True)

    assert quick == cdr_or_none(row, zone, is_short=False)
    assert quick is None or parse(dump(quick).encode()) == quick


def cdr_or_none(row, zone, *, is_short):
    try:
        return cdr_of(row, clock_of(zone), is_short=is_short)
    except BadCdr:
        return None
