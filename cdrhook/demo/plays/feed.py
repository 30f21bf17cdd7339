"""The feed: what ended in a window, for all tenants of a partner, by the clock.

A partner has one active feed (webex.txt), so that each receiver has a partner.
"""

from __future__ import annotations

import datetime as dt
import json
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from cdrhook.demo.calls import Call, reported
from cdrhook.demo.plays.base import UNSHORTENED, Later, Pace, Play
from cdrhook.demo.records import sound_template_of

if TYPE_CHECKING:
    from cdrhook.receiver import Received

SECONDS: Final = 10
SEES: Final = {
    "healthy": ("demo-north", "demo-south"),
    "recovers": ("demo-east",),
    "hangs": ("demo-west",),
}
TENANTS: Final = ("demo-north", "demo-east", "demo-south", "demo-west")
# Every so many calls one comes when its window has been sent already.
LATE_EVERY: Final = 9
# Two windows, and half of one: whatever the clock says, the mark has passed.
LATE_BY: Final = dt.timedelta(seconds=SECONDS * 2.5)
# PAYLOADS, feed: reconciliation is for what ended 5 minutes to 48 hours ago.
COUNTED_AFTER: Final = dt.timedelta(minutes=5, seconds=5)


def call(number: int, now: dt.datetime) -> Call:
    """Each tenant's FreeSWITCH in turn; now and then one that was cut off for a while."""
    if number % LATE_EVERY == 0:
        tenant, ended_at, late = TENANTS[0], now - LATE_BY, "; it ended 25 s ago"
    else:
        tenant, ended_at, late = TENANTS[(number - 1) % len(TENANTS)], now, ""
    made = reported(sound_template_of(number), number, ended_at, tenant)
    return replace(made, title=f"{tenant}: {made.title}{late}")


def tell(received: Received) -> list[str]:
    """The window as its headers name it, and whose calls they are."""
    items = json.loads(received.body)["items"]
    headers = received.headers
    start, end = (
        headers.get(f"cdrhook-window-{edge}", "")[11:19] for edge in ("start", "end")
    )
    window = f"window {start} to {end} UTC  sequence {headers.get('cdrhook-sequence')}"
    late = headers.get("cdrhook-late") == "1"
    return [
        f"{window}  items {headers.get('cdrhook-count')}"
        f"{'  LATE: its window was closed already' if late else ''}",
        *(_told(item) for item in items),
    ]


def _told(item: dict[str, Any]) -> str:
    """One record, by some of Webex' names."""
    return (
        f"{item['Local call ID'][:8]}  {item['Org UUID']:<10}  {item['Direction']:<11}"
        f"  {item['Calling number']} -> {item['Called number']}  {item['Duration']} s"
        f"  {item['Call outcome reason']}"
    )


def counts_path(now: dt.datetime) -> str:
    """What a partner reconciles with, for the 55 minutes before the last five."""
    end = now - COUNTED_AFTER
    start = end - dt.timedelta(minutes=55)
    asked = {"startTime": _webex_time(start), "endTime": _webex_time(end)}
    return f"/v1/partners/cdrcountbyorg?{urlencode(asked, safe=':')}"


def _webex_time(moment: dt.datetime) -> str:
    utc = moment.astimezone(dt.UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03}Z"


def options() -> tuple[str, ...]:
    """A secret for X-Spark-Signature, because a feed gets none unless one is given."""
    # In one word: one in 64 begins with "-", as an option does.
    return (f"--secret={secrets.token_urlsafe(24)}",)


PLAY: Final = Play(
    style="feed",
    clocks=(
        f"Shortened: windows of {SECONDS} s, sent {SECONDS} s after they end"
        " (documented: 5 minutes each).",
        UNSHORTENED,
        "Three partners, each with its one feed: healthy's has two tenants, demo-north"
        " and demo-south.",
        "The first payload comes in 10 to 20 s. Not shortened: the reconciliation count"
        " is of calls that",
        "ended over 5 minutes ago; it is shown once the demo has run for 6 minutes.",
    ),
    call=call,
    tell=tell,
    sees=SEES,
    of_partners=True,
    options=options,
    pace=Pace(slow_seconds=5.0),
    feed_seconds=SECONDS,
    later=Later(after_seconds=360.0, webhook="healthy", path=counts_path),
)
