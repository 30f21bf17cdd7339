"""What the demo plays for each style, and what it says of the payloads."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from django.http import QueryDict

from cdrhook.demo.plays import batch, feed, flat
from cdrhook.demo.plays.registry import DEFAULT, PLAYS
from cdrhook.demo.receivers import CAST
from dispatcher.adapters import cdr_json
from dispatcher.adapters.base import Read
from dispatcher.adapters.freeswitch import FreeSwitch
from dispatcher.api.partner_query import counts_asked
from dispatcher.payloads.registry import STYLES
from dispatcher.values import Cdr
from tests.demo.received import received

if TYPE_CHECKING:
    from cdrhook.demo.calls import Call
    from cdrhook.demo.plays.base import Play

NOW = dt.datetime(2027, 3, 28, 1, 2, 3, tzinfo=dt.UTC)
BATCHED = {
    "uniqueid": "0123456789",
    "call_type": "OUT",
    "disposition": "ANSWERED",
    "caller_number": "442079460001",
    "dialed_number": "441632960001",
    "duration": "12",
    "recording_url": "",
}
LINKED = {**BATCHED, "recording_url": "http://127.0.0.1:8000/r?token=t"}


def taken(call: Call) -> list[object]:
    """What cdrhook makes of a call."""
    if call.path.startswith("/ingest/freeswitch/"):
        decoded = FreeSwitch().decode(call.body, content_type=call.content_type)
        return [item.cdr if isinstance(item, Read) else item for item in decoded]
    return list(cdr_json.parse_many(call.body, limit=1))


def test_there_is_a_play_for_every_style() -> None:
    assert PLAYS.keys() == STYLES.keys()
    assert [play.style for play in PLAYS.values()] == list(PLAYS)
    assert DEFAULT == "envelope"


@pytest.mark.parametrize("play", PLAYS.values(), ids=PLAYS.keys())
def test_every_receiver_gets_calls_of_owners_that_the_style_allows(play: Play) -> None:
    assert play.sees.keys() == CAST.keys()
    owner = "partner" if play.of_partners else "tenant"
    assert owner in STYLES[play.style].owners


@pytest.mark.parametrize("play", PLAYS.values(), ids=PLAYS.keys())
def test_all_of_its_calls_but_the_spoilt_one_are_good(play: Play) -> None:
    tenants = {tenant for seen in play.sees.values() for tenant in seen}
    calls = [play.call(number, NOW) for number in range(1, 21)]
    good = [cdr for call in calls for cdr in taken(call) if isinstance(cdr, Cdr)]
    assert len(good) >= 19
    assert {cdr.uid for cdr in good} <= {call.uid for call in calls}
    assert {call.tenant for call in calls} == tenants


def test_batched_calls_go_in_and_out_and_one_in_five_has_a_recording() -> None:
    cdrs = [cdr for number in range(1, 6) for cdr in taken(batch.call(number, NOW))]
    good = [cdr for cdr in cdrs if isinstance(cdr, Cdr)]
    assert {cdr.direction for cdr in good} == {"inbound", "outbound", "internal"}
    assert sum(bool(cdr.recordings) for cdr in good) == 1


def test_a_batch_tells_its_calls_and_shows_links_in_full() -> None:
    lines = batch.tell(received({"type": "cdr", "cdrs": [LINKED]}))
    assert lines == [
        "the batch was closed because its first call is 10 s old",
        "01234567  OUT       ANSWERED   442079460001 -> 441632960001  12 s",
        "          recording http://127.0.0.1:8000/r?token=t",
    ]


def test_a_batch_of_five_was_full() -> None:
    lines = batch.tell(received({"type": "cdr", "cdrs": [BATCHED] * 5}))
    assert lines[0] == "the batch was closed because it is full (5 calls)"


@pytest.mark.parametrize(
    ("calls", "expected"), [([BATCHED, LINKED], LINKED["recording_url"]), ([], "")]
)
def test_the_first_link_of_a_batch_is_found(
    calls: list[dict[str, str]], expected: str
) -> None:
    assert batch.link(received({"type": "cdr", "cdrs": calls})) == expected


def test_now_and_then_a_call_is_late_by_over_two_windows() -> None:
    calls = [feed.call(number, NOW) for number in range(1, 19)]
    ended = [
        cdr.ended_at for call in calls for cdr in taken(call) if isinstance(cdr, Cdr)
    ]
    late = [at for at in ended if at and NOW - at >= dt.timedelta(seconds=20)]
    assert len(late) == 2
    assert all(later.title != call.title for call, later in pairwise(calls))


def test_a_feed_tells_its_window_and_whose_calls_they_are() -> None:
    item = {
        "Local call ID": "0123456789",
        "Org UUID": "demo-north",
        "Direction": "TERMINATING",
        "Calling number": "+442079460001",
        "Called number": "442039702436",
        "Duration": 3,
        "Call outcome reason": "Normal",
    }
    headers = {
        "cdrhook_window_start": "2026-11-23T16:50:00.000Z",
        "cdrhook_window_end": "2026-11-23T16:50:10.000Z",
        "cdrhook_sequence": "7",
        "cdrhook_count": "1",
        "cdrhook_late": "1",
    }
    assert feed.tell(received({"items": [item]}, **headers)) == [
        "window 16:50:00 to 16:50:10 UTC  sequence 7  items 1"
        "  LATE: its window was closed already",
        "01234567  demo-north  TERMINATING  +442079460001 -> 442039702436  3 s  Normal",
    ]


def test_the_counts_are_asked_for_a_range_that_is_allowed() -> None:
    query = QueryDict(urlsplit(feed.counts_path(NOW)).query)
    asked = counts_asked(query, NOW)
    assert asked.end - asked.start == dt.timedelta(minutes=55)


def test_flat_tells_its_key_and_some_of_its_fields() -> None:
    payload = {**dict.fromkeys(flat.SHOWN, ""), "cost": 0.035}
    key, fields = flat.tell(received(payload, x_api_key="demo-1"))
    assert key == "x-api-key demo-1  6 fields, among them"
    assert fields.endswith("cost 0.035")
