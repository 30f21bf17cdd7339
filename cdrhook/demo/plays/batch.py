"""The batch: several calls a payload, and links to recordings that can be played."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from cdrhook.demo.calls import OURS, Call, posted, reported
from cdrhook.demo.plays.base import EVERYBODY, TENANT, UNSHORTENED, Pace, Play
from cdrhook.demo.recording import RECORDING_ID
from cdrhook.demo.records import sound_template_of

if TYPE_CHECKING:
    import datetime as dt

    from cdrhook.receiver import Received

SIZE: Final = 5
SECONDS: Final = 10


def call(number: int, now: dt.datetime) -> Call:
    """Of five calls one goes out and has a recording, and one is internal."""
    match number % 5:
        case 3:
            return posted(
                number,
                now,
                TENANT,
                "outbound, answered, recorded",
                direction="outbound",
                disposition="answered",
                recordings=[{"id": RECORDING_ID}],
            )
        case 4:
            return posted(
                number,
                now,
                TENANT,
                "internal, not answered",
                direction="internal",
                disposition="no_answer",
                dialed={"number": f"{OURS}{(number + 1) % 1000:03}"},
            )
        case _:
            return reported(sound_template_of(number), number, now, TENANT)


def tell(received: Received) -> list[str]:
    """Why the batch was closed, its calls, and the links in full."""
    calls = json.loads(received.body)["cdrs"]
    full = len(calls) >= SIZE
    why = f"it is full ({SIZE} calls)" if full else f"its first call is {SECONDS} s old"
    lines = [f"the batch was closed because {why}"]
    for one in calls:
        lines.append(
            f"{one['uniqueid'][:8]}  {one['call_type']:<8}  {one['disposition']:<9}"
            f"  {one['caller_number']} -> {one['dialed_number']}  {one['duration']} s"
        )
        if one["recording_url"]:
            lines.append(f"          recording {one['recording_url']}")
    return lines


def link(received: Received) -> str:
    """The first link to a recording in a batch; "" where there is none."""
    calls = json.loads(received.body)["cdrs"]
    return next((one["recording_url"] for one in calls if one["recording_url"]), "")


PLAY: Final = Play(
    style="batch",
    clocks=(
        f"Shortened: a batch closes at {SIZE} calls, or {SECONDS} s after its first"
        " (default: 100 calls, 60 s).",
        UNSHORTENED,
    ),
    call=call,
    tell=tell,
    sees=EVERYBODY,
    options=lambda: ("--batch-size", f"{SIZE}", "--batch-seconds", f"{SECONDS}"),
    link=link,
    pace=Pace(quick_calls=12, quick_seconds=1.5, slow_seconds=6.0),
)
