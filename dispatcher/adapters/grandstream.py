"""Grandstream: calls as a UCM's CDR API answers them, in JSON.

Rows of Asterisk's columns as texts, times of the PBX without a zone, under `cdr_root` or
`cdr`. A call of several legs is nested: `main_cdr` sums it up, `sub_cdr_1` and so on are
its legs. Every leg is a CDR of its own; `main_cdr` is one only where there is no leg.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dispatcher.adapters.base import NO_HEADERS, PLAIN, Read, Undecodable, safe_uid
from dispatcher.adapters.fields import Fields, an_object, bad, kept, to_cdr
from dispatcher.adapters.json_items import BOM, members, read_records
from dispatcher.adapters.zones import local_moments

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dispatcher.adapters.json_items import Record
    from dispatcher.adapters.zones import Moments
    from dispatcher.values import Cdr, SourceRules

LISTS: Final = ("cdr_root", "cdr")
MAIN: Final = "main_cdr"
MAX_DEPTH: Final = 4
_LEG: Final = re.compile(r"sub_cdr_[0-9]{1,4}", re.ASCII)
# What the database behind it shows where nobody answered.
_NEVER: Final = frozenset({"0000-00-00 00:00:00"})
_CLID: Final = re.compile(r'"(.*)" *<([^<>]*)>', re.DOTALL)

DISPOSITIONS: Final = {
    "ANSWERED": "answered",
    "NO ANSWER": "no_answer",
    "BUSY": "busy",
    "FAILED": "failed",
    "CONGESTION": "failed",
}
# `userfield` of a UCM -> direction and type of the call.
DIRECTIONS: Final = {
    "inbound": ("inbound", "external"),
    "outbound": ("outbound", "external"),
    "internal": ("internal", "internal"),
    "external": ("both", "external"),
}

NAMES: Final = {
    "uid": "uniqueid",
    "call_id": "session",
    "started_at": "start",
    "answered_at": "answer",
    "ended_at": "end",
    "duration": "duration",
    "talk_duration": "billsec",
    "billed_duration": "billsec",
    "caller.number": "src",
    "caller.name": "clid",
    "dialed.number": "dst",
    "recordings.0.id": "recordfiles",
    "dialer.gateway": "dst_trunk_name",
    "legs.answered.user.number": "dstanswer",
    "extra": "the record",
}
_ELSEWHERE: Final = frozenset({"duration", "billsec", "session"})


class Grandstream:
    """The adapter behind `/ingest/grandstream/{tenant}`."""

    name: Final = "grandstream"

    def decode(
        self,
        body: bytes,
        *,
        content_type: str = "",
        query: str = "",
        headers: Mapping[str, str] = NO_HEADERS,
        rules: SourceRules = PLAIN,
    ) -> Sequence[Read | Undecodable]:
        """An answer of the API, a list of calls, or one."""
        return read_records(body, lambda record: to_legs(record, rules), lists=LISTS)


def to_legs(record: Record, rules: SourceRules) -> list[Read]:
    """The legs of a call, in order. Raises BadCdr by the UCM's names of the fields.

    The first keeps the bytes of the whole call: what is told of it belongs to no leg.
    """
    told = an_object(record.value)
    legs = []
    if any(isinstance(value, dict) for value in told.values()):
        legs = list(_legs(record.raw.removeprefix(BOM).decode(), 0, "", MAX_DEPTH))
    if not legs:
        main = told.get(MAIN)
        legs = [_Leg("", main if isinstance(main, dict) else told, record.raw)]
    session = _session(told)
    legs[0] = legs[0]._replace(raw=record.raw)
    return [Read(_to_cdr(leg, session, rules), leg.raw) for leg in legs]


class _Leg(NamedTuple):
    """A leg, its bytes, and where in the call it stands."""

    place: str
    fields: dict[str, Any]
    raw: bytes


def _legs(text: str, start: int, place: str, depth: int) -> Iterator[_Leg]:
    """The legs of the object at `start`; some firmware nests them in `main_cdr`."""
    for member in members(text, start):
        is_leg = _LEG.fullmatch(member.key) is not None
        if depth == 0 or not isinstance(member.value, dict):
            continue
        within = f"{place}-{member.key}" if is_leg else place
        if is_leg and Fields(member.value).text("start"):
            yield _Leg(within, member.value, text[member.start : member.end].encode())
        if is_leg or member.key == MAIN:
            yield from _legs(text, member.start, within, depth - 1)


def _session(record: dict[str, Any]) -> str | None:
    main = record.get(MAIN)
    own = Fields(main if isinstance(main, dict) else record)
    return own.text("session", "uniqueid")


def _to_cdr(leg: _Leg, session: str | None, rules: SourceRules) -> Cdr:
    fields = Fields(leg.fields, blanks=_NEVER)
    disposition = DISPOSITIONS.get((fields.text("disposition") or "").upper())
    moments = _moments(fields, rules, is_answered=disposition == "answered")
    talked = fields.whole("billsec")
    mark = {"clock": moments.mark} if moments.mark else {}
    return to_cdr(
        {
            "uid": _uid(fields, leg.place),
            "call_id": fields.text("session") or session,
            "started_at": moments.start,
            "answered_at": moments.answer,
            "ended_at": moments.end,
            "time_zone": rules.zone,
            "duration": fields.whole("duration"),
            "ring_duration": _ringing(moments),
            "talk_duration": talked,
            "billed_duration": talked,
            "disposition": disposition,
            **_ways(fields),
            **_parties(fields, is_answered=disposition == "answered"),
            "recordings": _recordings(fields),
            "extra": {"grandstream": {**_kept(leg.fields), **mark}},
        },
        NAMES,
    )


def _uid(fields: Fields, place: str) -> str:
    """Asterisk's id, which legs share, and the UCM's of the row, else the leg's place."""
    unique, row = fields.text("uniqueid"), fields.text("AcctId", "acctid")
    if unique is None and row is None:
        raise bad("uniqueid", "required")
    told = "-".join(part for part in (unique, row) if part is not None)
    return safe_uid(told if row is not None else f"{told}{place}")


def _moments(fields: Fields, rules: SourceRules, *, is_answered: bool) -> Moments:
    start = fields.text("start")
    if start is None:
        raise bad("start", "required")
    try:
        return local_moments(
            start,
            fields.text("answer") if is_answered else None,
            fields.text("end"),
            rules.zone,
            duration=fields.whole("duration"),
        )
    except ValueError as error:
        raise bad("start, answer, end", str(error)) from None


def _ringing(moments: Moments) -> int | None:
    until = moments.answer or moments.end
    if until is None or until < moments.start:
        return None
    return int((until - moments.start).total_seconds())


def _ways(fields: Fields) -> dict[str, Any]:
    trunks = fields.text("src_trunk_name"), fields.text("dst_trunk_name")
    told = (fields.text("userfield") or "").lower()
    if told not in DIRECTIONS:
        by_trunks = {(True, False): "inbound", (False, True): "outbound"}
        by_trunks[True, True] = "external"
        told = by_trunks.get((trunks[0] is not None, trunks[1] is not None), "")
    direction, call_type = DIRECTIONS.get(told, (None, None))
    return {
        "direction": direction,
        "call_type": call_type,
        "trunk_to_trunk": None if direction is None else direction == "both",
        "dialer": {"gateway": trunks[1]},
    }


def _parties(fields: Fields, *, is_answered: bool) -> dict[str, Any]:
    shown = _CLID.fullmatch(fields.text("clid") or "")
    name = fields.text("caller_name")
    if name is None and shown is not None:
        name = shown[1].replace('\\"', '"').strip()
    answerer = fields.text("dstanswer", "dstchanext", "dstchannel_ext")
    return {
        "caller": {"number": fields.text("src"), "name": name or None},
        "dialed": {"number": fields.text("did", "dst")},
        "legs": {"answered": {"user": {"number": answerer}}} if is_answered else None,
    }


def _recordings(fields: Fields) -> list[dict[str, str]] | None:
    """File names, each with an @ behind it."""
    names = (fields.text("recordfiles") or "").split("@")
    return [{"id": name.strip()} for name in names if name.strip()] or None


def _kept(record: dict[str, Any]) -> dict[str, Any]:
    own = {key: value for key, value in record.items() if not _LEG.fullmatch(key)}
    return kept(own, without=_ELSEWHERE)
