"""The style of thehub.txt: several calls at once, every value of them a string.

Renders the calls of one closed batch. When a batch closes, and whether a call gets a
summary, is decided elsewhere.

Decided where the document is silent (PAYLOADS.md, batch):

* Unknown: `""`. An unreported disposition is the one that the call's other fields imply
  (payloads.disposition), and `""` where they imply none: no word of the four would be
  true, and a receiver that counts one of them must not count a guess.
* A number that begins with `+` is sent as its digits, `+44 (0)20 7946 0018` as
  442079460018, and a masked one likewise (44207946xxxx). Whatever else a PBX gave (`302`, `anonymous`, `10.0.0.1`) stays as it is.
* Call order is the order of start, and of uid among calls that started together.
"""

from __future__ import annotations

import datetime as dt
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from dispatcher.cdr_fields import zone
from dispatcher.payloads.base import Style, encoded, up_to
from dispatcher.payloads.disposition import disposition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dispatcher.values import CarriedCdr, RenderedRequest, Subscription

MAX_CDRS: Final = 5000

_CALL_TYPES: Final = {"outbound": "OUT", "internal": "INTERNAL"}
_DISPOSITIONS: Final = {
    "answered": "ANSWERED",
    "voicemail": "ANSWERED",
    "no_answer": "NO ANSWER",
    "cancelled": "NO ANSWER",
    "busy": "BUSY",
    "failed": "FAILED",
}
_INTERNATIONAL: Final = re.compile(r"\+[ ().\-]*[0-9x][0-9x ().\-]*")
_NO_DIGIT: Final = re.compile(r"\([0x]\)|[^0-9x]")


def call(carried: CarriedCdr) -> dict[str, str]:
    """One call: the document's 8 keys in its order, all of them always."""
    cdr = carried.cdr
    return {
        "uniqueid": cdr.uid,
        "start_time": _local_time(cdr.started_at, carried.tenant_zone),
        "call_type": _CALL_TYPES.get(cdr.direction or "", "IN"),
        "caller_number": _digits(cdr.caller.number),
        "dialed_number": _digits(cdr.dialed.number),
        "disposition": _DISPOSITIONS.get(disposition(cdr) or "", ""),
        "duration": "" if cdr.duration is None else str(cdr.duration),
        "recording_url": carried.recording_url,
    }


def payload(carried: Sequence[CarriedCdr]) -> dict[str, Any]:
    """The whole body, in call order: calls, or the summaries of calls.

    ValueError where some of the calls have a summary and others have none: the
    document sends the two kinds in bodies of their own.
    """
    ordered = sorted(carried, key=lambda one: (one.cdr.started_at, one.cdr.uid))
    summaries = [
        {
            "uniqueid": one.cdr.uid,
            "transcription": one.summary.transcription,
            "summary": one.summary.summary,
        }
        for one in ordered
        if one.summary is not None
    ]
    if not summaries:
        return {"type": "cdr", "cdrs": [call(one) for one in ordered]}
    if len(summaries) != len(ordered):
        raise ValueError("a batch carries calls or their summaries, not both")
    return {"type": "call_summary", "cdrs": summaries}


def render(
    subscription: Subscription, carried: Sequence[CarriedCdr], /
) -> RenderedRequest:
    """The request for one batch; ValueError for none, too many, or mixed kinds."""
    return encoded(subscription, payload(up_to(MAX_CDRS, carried, at_least=1)))


def _local_time(moment: dt.datetime, zone_name: str) -> str:
    """`YYYY-MM-DD HH:MM:SS` in that zone; in UTC where there is no such zone."""
    # At the ends of the calendar no other zone has a date.
    with suppress(OverflowError):
        moment = moment.astimezone(zone(zone_name) or dt.UTC)
    return moment.replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")


def _digits(number: str | None) -> str:
    if number is None:
        return ""
    if _INTERNATIONAL.fullmatch(number) is None:
        return number
    return _NO_DIGIT.sub("", number)


STYLE: Final = Style(
    name="batch",
    owners=("tenant",),
    methods=("POST",),
    formats=("json",),
    filters=True,
    custom_data=False,
    max_cdrs=MAX_CDRS,
    bundles="size_and_age",
    recording_links=True,
    render=render,
)
