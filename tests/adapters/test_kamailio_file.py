"""acc_cdrs as CSV, with a header and without, as clients of its databases write it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.adapters.base import Read, Undecodable
from dispatcher.adapters.formats import FORMATS

FOLDER = Path(__file__).parents[1] / "samples/kamailio"
KAMAILIO = FORMATS["kamailio"]
UIDS = [
    *("1-417@127.0.0.1:1795392678", "2-417@127.0.0.1:1795392679"),
    *("3-417@127.0.0.1:1795392680", "1-437@127.0.0.1:1795392689"),
]


def read(data: bytes):
    """As the engine does: what stands in front is the head."""
    records, taken = KAMAILIO.cut(data, is_end=True)
    assert taken == len(data)
    return KAMAILIO.read(records[1:], head=records[:1])


def uids(data: bytes) -> list[str]:
    items = read(data)
    assert all(isinstance(item, Read) for item in items)
    return [item.cdr.uid for item in items]


def test_the_recorded_file_gives_its_calls():
    assert uids((FOLDER / "acc_cdrs.csv").read_bytes()) == UIDS


def test_a_file_without_a_header_gives_the_same_calls():
    _, _, rest = (FOLDER / "acc_cdrs.csv").read_bytes().partition(b"\n")

    assert uids(rest) == UIDS
    assert uids(rest.partition(b"\n")[0] + b"\n") == UIDS[:1]


@pytest.mark.parametrize("separator", [b"|", b";", b"\t"])
def test_what_other_programs_write_between_columns_is_found_out(separator):
    data = (FOLDER / "acc_cdrs.csv").read_bytes().replace(b",", separator)

    assert uids(data) == UIDS


def test_transactions_are_refused_each_with_its_own_bytes():
    data = (FOLDER / "acc.csv").read_bytes()

    items = read(data)

    assert len(items) == 6
    assert all(isinstance(i, Undecodable) and "acc_cdrs" in i.reason for i in items)
    assert b"".join(i.body for i in items) == data.partition(b"\n")[2]


@pytest.mark.parametrize(
    "line", [b"1,2\n", b'"1,2,3,4,5,6,7\n', b"\xff,,,,,,\n", b"7,x,,,,,\n"]
)
def test_what_is_no_row_is_kept_with_the_reason(line):
    head = b"id,start_time,end_time,duration,caller_id,callee_id,call_id\n"

    [item] = read(head + line)

    assert isinstance(item, Undecodable)
    assert item.body == line
    assert item.reason
