"""What a row of Asterisk's CDRs means, however it came: the one place that says so.

TELECOM.md 1.5. Each row is a CDR of its own, as Asterisk has it: a call has several,
and `call_id` (linkedid) groups them. Numbers stay as told; direction is only told
where a context of FreePBX or its columns say so. Refuses to leave a row out:
`extra.asterisk.phantom` marks those that only `unanswered = yes` brings about.

The uid is `uniqueid-sequence`: several rows have the same uniqueid. Without a sequence
it is `uniqueid+` and 16 hex digits of the row's digest, and `row+` and 32 where there
is no uniqueid either; the digest is of what every way of handing over has (`_DIGESTED`),
as it was told: neither the source's zone nor what is filled in later changes it.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from itertools import compress
from operator import itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dispatcher.adapters import cdr_json
from dispatcher.adapters.asterisk_clid import parse_clid
from dispatcher.adapters.base import BadCdr, safe_uid
from dispatcher.adapters.told import moved, whole_seconds
from dispatcher.values import (
    Caller,
    Cdr,
    Direction,
    Disposition,
    FieldError,
    Leg,
    Legs,
    Line,
    Named,
    Recording,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dispatcher.adapters.asterisk_clock import Clock


class Row(NamedTuple):
    """A row's columns as texts, "" for what is unset, in the order of Master.csv.

    `start`, `answer` and `end` are local times, or ISO 8601 with an offset.
    """

    accountcode: str = ""
    src: str = ""
    dst: str = ""
    dcontext: str = ""
    clid: str = ""
    channel: str = ""
    dstchannel: str = ""
    lastapp: str = ""
    lastdata: str = ""
    start: str = ""
    answer: str = ""
    end: str = ""
    duration: str = ""
    billsec: str = ""
    disposition: str = ""
    amaflags: str = ""
    uniqueid: str = ""
    userfield: str = ""
    peeraccount: str = ""
    linkedid: str = ""
    sequence: str = ""


NO_MORE: Final[Mapping[str, str]] = MappingProxyType({})

# Asterisk's words, and the numbers that it stores where a column takes no text.
DISPOSITIONS: Final[dict[str, Disposition]] = {
    "ANSWERED": "answered",
    "NO ANSWER": "no_answer",
    "BUSY": "busy",
    "FAILED": "failed",
    "CONGESTION": "failed",
    "CANCEL": "cancelled",
    "0": "no_answer",
    "1": "no_answer",
    "2": "failed",
    "4": "busy",
    "8": "answered",
    "16": "failed",
}
# Those that ours says all of.
_SAME_WORD: Final = frozenset({"ANSWERED", "NO ANSWER", "BUSY", "FAILED", "CANCEL"})
# Whether the caller gave up; NO ANSWER does not say who did.
_ABANDONED: Final[dict[Disposition | None, bool]] = {
    "answered": False,
    "voicemail": False,
    "busy": False,
    "failed": False,
    "cancelled": True,
}
# Extensions that stand for no number.
_SPECIAL: Final = frozenset({"s", "h", "i", "t", "T", "o", "a", "e", "failed"})
# The far end's own rows: Asterisk made these channels itself.
_FAR_END: Final = frozenset({"AppDial", "AppDial2"})
_NOTHING_RAN: Final = frozenset({"", "Hangup"})

# Contexts of FreePBX, and of the many that took them over from it.
_INBOUND: Final = ("from-trunk", "from-pstn", "from-did", "ext-did")
_OUTBOUND: Final = ("outrt-", "outbound-allroutes")
_INTERNAL: Final = ("from-internal",)
_EXTENSION_MAX_DIGITS: Final = 6

_DEVICE: Final = re.compile(
    r"[A-Za-z0-9_]+/([0-9]{1,6})(?:@[^/]*)?-[0-9a-f]+(?:;[12])?", re.ASCII
)
_DIGESTED: Final = (
    *("src", "dst", "dcontext", "channel", "dstchannel", "lastapp"),
    *("duration", "billsec", "disposition"),
)
_KEPT: Final = (
    *("accountcode", "dcontext", "channel", "dstchannel", "lastapp", "lastdata"),
    *("amaflags", "uniqueid", "userfield", "peeraccount"),
)
_values: Final = itemgetter(*map(Row._fields.index, _KEPT))
_NO_LEGS: Final = Cdr.legs
_NO_NAME: Final = Cdr.pbx
_ANSWERED: Final = frozenset({"answered", "voicemail"})
# Neither what a column cut off nor how a time was written may tell two rows apart.
_TOLD_MAX: Final = 80
_SAFE_DIGITS: Final = 10
_ID_MAX: Final = 200
# What is longer is no caller ID, and would stay in memory.
_CLID_MAX: Final = 600

# Our field -> the column, for errors that an operator can act upon.
COLUMNS: Final = {
    "uid": "uniqueid",
    "call_id": "linkedid",
    "pbx.id": "uniqueid",
    "pbx.name": "uniqueid",
    "started_at": "start",
    "answered_at": "answer",
    "ended_at": "end",
    "duration": "duration",
    "talk_duration": "billsec",
    "billed_duration": "billsec",
    "ring_duration": "duration",
    "hangup_cause_code": "hangupcause",
    "caller.number": "src",
    "caller.name": "clid",
    "dialed.number": "dst",
    "recordings.0.id": "recordingfile",
    "extra": "row",
}


def cdr_of(
    row: Row,
    clock: Clock,
    more: Mapping[str, str] = NO_MORE,
    *,
    is_short: bool = False,
) -> Cdr:
    """The CDR that a row is; `more` are columns that Asterisk's table has not got.

    `is_short` vouches that no text is longer than 500 characters or holds NUL or half
    a character: such rows need no further check. Raises BadCdr.
    """
    cdr = _built(row, clock, more)
    if is_short and not more and len(row.uniqueid) + len(row.linkedid) < _ID_MAX:
        return cdr
    return _checked(cdr)


def _built(row: Row, clock: Clock, more: Mapping[str, str]) -> Cdr:
    duration = _seconds(row.duration, "duration")
    talked = _seconds(row.billsec, "billsec")
    start, answer, end, mark = clock.moments(row, duration)
    disposition = _disposition(row)
    is_answered = disposition in _ANSWERED
    if end is None and duration is not None:
        end = moved(start, duration)
    if answer is None and is_answered and end is not None and talked is not None:
        answer = moved(end, -talked)
    rang = _device_of(row.dstchannel)
    told = more.get
    return Cdr(
        uid=_uid(row),
        started_at=start,
        call_id=row.linkedid or row.uniqueid or None,
        pbx=_pbx(row.uniqueid, told("systemname")),
        answered_at=answer,
        ended_at=end,
        duration=duration,
        ring_duration=_ringing(duration, talked),
        talk_duration=talked,
        billed_duration=talked,
        direction=_direction(row, rang, more),
        disposition=disposition,
        hangup_cause_code=_seconds(told("hangupcause", ""), "hangupcause"),
        abandoned=_ABANDONED.get(disposition),
        caller=_caller_of(row, told("cnum"), told("cnam")),
        dialed=_dialed(row.dst, told("did")),
        legs=_legs(rang, is_answered) if rang else _NO_LEGS,
        recordings=_recordings(told("recordingfile")),
        extra=_extra(row, more, disposition, mark),
    )


def _checked(cdr: Cdr) -> Cdr:
    try:
        return cdr_json.parse(cdr_json.dump(cdr).encode())
    except BadCdr as bad:
        raise BadCdr(
            *[FieldError(COLUMNS.get(e.field, e.field), e.message) for e in bad.errors]
        ) from None


def _uid(row: Row) -> str:
    if row.uniqueid and row.sequence:
        return safe_uid(f"{row.uniqueid}-{row.sequence}")
    times = [getattr(row, name)[:19].replace("T", " ") for name in ("start", "end")]
    texts = [getattr(row, name)[:_TOLD_MAX] for name in _DIGESTED]
    told = "\x1f".join((*times, *texts))
    digest = hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()
    if row.uniqueid:
        return safe_uid(f"{row.uniqueid}+{digest[:16]}")
    return f"row+{digest[:32]}"


def _seconds(text: str, name: str) -> int | None:
    # Most by far.
    if text.isdigit() and text.isascii() and len(text) < _SAFE_DIGITS:
        return int(text)
    return whole_seconds(text, name)


def _ringing(duration: int | None, talked: int | None) -> int | None:
    """Until it was answered, or given up; unknown where a clock was set in between."""
    if duration is None or talked is None or talked > duration:
        return None
    return duration - talked


def _disposition(row: Row) -> Disposition | None:
    disposition = DISPOSITIONS.get(row.disposition)
    # VoiceMailMain is somebody who listens to messages.
    if disposition == "answered" and row.lastapp.lower() == "voicemail":
        return "voicemail"
    return disposition


def _pbx(uniqueid: str, systemname: str | None) -> Named:
    """`systemname` of asterisk.conf, which unique ids then begin with."""
    name = systemname or ("-" in uniqueid and uniqueid.rpartition("-")[0])
    return Named(name=name) if name else _NO_NAME


def _direction(row: Row, rang: str, more: Mapping[str, str]) -> Direction | None:
    context = row.dcontext
    if context.startswith(_INBOUND) or more.get("did"):
        return "inbound"
    if context.startswith(_OUTBOUND) or more.get("outbound_cnum"):
        return "outbound"
    if context.startswith(_INTERNAL):
        return _from_inside(row.dst, rang)
    return None


def _from_inside(dst: str, rang: str) -> Direction | None:
    """Of a call of an extension: FreePBX has one context for all that these dial."""
    number = dst.removeprefix("+")
    if not number.isdigit():
        return None
    if len(number) > _EXTENSION_MAX_DIGITS:
        return "outbound"
    return "internal" if number == rang else None


def _caller_of(row: Row, cnum: str | None, cnam: str | None) -> Caller:
    """What is long is no number, and would stay in memory: it is not kept."""
    clid = row.clid[:_CLID_MAX]
    if len(row.src) + len(cnum or "") + len(cnam or "") > _CLID_MAX:
        return _caller.__wrapped__(row.src, clid, cnum, cnam)
    return _caller(row.src, clid, cnum, cnam)


@lru_cache(maxsize=8192)
def _caller(src: str, clid: str, cnum: str | None, cnam: str | None) -> Caller:
    name, number = parse_clid(clid)
    return Caller(number=src or cnum or number or None, name=name or cnam or None)


def _dialed(dst: str, did: str | None) -> Line:
    number = did or ("" if dst in _SPECIAL else dst)
    return Line(number=number or None)


def _device_of(channel: str) -> str:
    """The extension that a channel rang: `PJSIP/202-0000001a` -> 202; "" for others."""
    match = _DEVICE.fullmatch(channel)
    return match[1] if match else ""


@lru_cache(maxsize=8192)
def _legs(device: str, is_answered: bool) -> Legs:
    leg = Leg(device=Line(number=device))
    if not is_answered:
        return Legs(first_rang=leg, last_rang=leg)
    return Legs(first_rang=leg, last_rang=leg, answered=leg, last_answered=leg)


def _recordings(file: str | None) -> tuple[Recording, ...] | None:
    """What FreePBX calls `recordingfile`; None: the row does not say."""
    if file is None:
        return None
    return (Recording(id=file),) if file else ()


def _extra(
    row: Row, more: Mapping[str, str], disposition: str | None, mark: str
) -> dict[str, Any]:
    values = _values(row)
    kept: dict[str, Any] = dict(compress(zip(_KEPT, values, strict=True), values))
    if row.disposition not in _SAME_WORD or disposition == "voicemail":
        kept["disposition"] = row.disposition
    if row.dst in _SPECIAL or "did" in more:
        kept["dst"] = row.dst
    if disposition not in _ANSWERED and not row.dstchannel and _is_phantom(row):
        kept["phantom"] = True
    if mark:
        kept["clock"] = mark
    return {"asterisk": {**more, **kept} if more else kept}


def _is_phantom(row: Row) -> bool:
    """Of an unanswered row without a far end: whether nobody placed that call.

    It is the far end's own, or what was left of the channel once Dial was over.
    """
    if row.lastapp in _FAR_END:
        return True
    return row.lastapp in _NOTHING_RAN and row.duration in {"", "0"}
