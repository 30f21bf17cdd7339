"""Yeastar: a call as the S and K2 series, Cloud PBX and the P series report it.

API v2 sends `{"event": "NewCdr", ..}`, v1 `{"action": "NewCdr", ..}`, the P series
`{"type": 30012, "sn", "msg": {..}}`, with `msg` an object or JSON in a text; P may send
it by GET, in the query. Times are the PBX's own, without a zone. Where the source has a
secret, the P series' `X-Signature` must be right. Refuses all other events.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, Any, Final

from dispatcher.adapters.base import (
    NO_HEADERS,
    PLAIN,
    BadCdr,
    Read,
    Undecodable,
    WrongSignature,
    safe_uid,
)
from dispatcher.adapters.fields import Fields, an_object, bad, kept, moved, to_cdr
from dispatcher.adapters.form_body import read_form
from dispatcher.adapters.json_items import BOM, loads, read_records, undecodable
from dispatcher.adapters.zones import PLAIN_FORMAT, local_moment

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from dispatcher.values import Cdr, SourceRules

EVENT: Final = "NewCdr"
EVENT_OF_P: Final = "30012"
SIGNATURE: Final = "x-signature"
# What the S series calls itself. It repeats a report until it is answered 200.
S_SERIES_AGENT: Final = "webapi"
OK, ACCEPTED = 200, 202
FORMATS: Final = (PLAIN_FORMAT, "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %I:%M:%S %p")

DISPOSITIONS: Final = {
    "ANSWERED": "answered",
    "NO ANSWER": "no_answer",
    "NO ANSWERED": "no_answer",
    "BUSY": "busy",
    "VOICEMAIL": "voicemail",
    "ABANDONED": "cancelled",
    "FAILED": "failed",
}
DIRECTIONS: Final = {
    "internal": ("internal", "internal"),
    "inbound": ("inbound", "external"),
    "outbound": ("outbound", "external"),
}

# Yeastar's names, of v1, v2 and the P series: the first that there is.
START: Final = ("timestart", "time_start")
CALL: Final = ("callid", "call_id")
FROM: Final = ("callfrom", "call_from")
TO: Final = ("callto", "call_to")
# "duraction" is how the S series spells it.
DURATION: Final = ("callduraction", "callduration", "call_duration")
TALK: Final = ("talkduraction", "talkduration", "talk_duration")
DID: Final = ("didnumber", "did_number")
TRUNK_OUT: Final = ("dsttrcunkname", "dsttrunkname", "desttrunkname", "dst_trunk_name")

NAMES: Final = {
    "uid": "callid",
    "call_id": "callid",
    "pbx.id": "sn",
    "started_at": "timestart",
    "answered_at": "talkduraction",
    "ended_at": "callduraction",
    "duration": "callduraction",
    "talk_duration": "talkduraction",
    "caller.number": "callfrom",
    "caller.name": "callfrom",
    "dialed.number": "callto",
    "dialed.name": "did_name",
    "recordings.0.id": "recording",
    "dialer.gateway": "dsttrcunkname",
    "legs.answered.user.number": "callto",
    "extra": "the record",
}
_ELSEWHERE: Final = frozenset({"sn", "recording", "did_name", *CALL, *DURATION, *TALK})


class Yeastar:
    """The adapter behind `/ingest/yeastar/{tenant}`."""

    name: Final = "yeastar"
    methods: Final = frozenset({"GET", "POST"})

    def decode(
        self,
        body: bytes,
        *,
        content_type: str = "",
        query: str = "",
        headers: Mapping[str, str] = NO_HEADERS,
        rules: SourceRules = PLAIN,
    ) -> Sequence[Read | Undecodable]:
        """One body is one call; raises WrongSignature."""
        body = body or query.encode("utf-8", "surrogatepass")
        if rules.secret:
            _check(body, headers.get(SIGNATURE, ""), rules.secret)
        if body.removeprefix(BOM).lstrip()[:1] in (b"{", b"["):
            return read_records(
                body, lambda one: [Read(_to_cdr(one.value, rules), one.raw)]
            )
        try:
            if b"=" not in body:
                raise bad("body", "neither JSON nor a query")
            return [Read(_to_cdr(read_form(body), rules), body)]
        except BadCdr as error:
            return [undecodable(error, body)]

    def success_status(self, headers: Mapping[str, str]) -> int:
        """200 for the S series, which repeats its report after anything else."""
        agent = headers.get("user-agent", "").lower()
        return OK if agent.startswith(S_SERIES_AGENT) else ACCEPTED


def _check(body: bytes, signature: str, secret: str) -> None:
    """Yeastar's page "Monitor Events via Webhook": base64 of HMAC-SHA256 of the body.

    Of a GET, which has none, the query is signed as it came.
    """
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    given = signature.strip().encode("utf-8", "replace")
    if not hmac.compare_digest(base64.b64encode(digest), given):
        raise WrongSignature(
            "X-Signature is missing, or not that of this body and the source's secret."
        )


def _to_cdr(record: object, rules: SourceRules) -> Cdr:
    record = _details(an_object(record))
    fields = Fields(record)
    return to_cdr(
        {
            **_identity(fields),
            **_timing(fields, rules),
            **_parties(fields),
            "extra": {
                "yeastar": {
                    **kept(record, without=_ELSEWHERE),
                    **_mark(fields, rules),
                }
            },
        },
        NAMES,
    )


def _details(record: dict[str, Any]) -> dict[str, Any]:
    """The call's own fields; BadCdr for a report of another kind."""
    fields = Fields(record)
    if "msg" in record:
        if fields.text("type") != EVENT_OF_P:
            raise _other("type", fields.text("type"))
        return {**_message(record["msg"]), "sn": record.get("sn")}
    event = fields.text("event", "action")
    if event != EVENT:
        raise _other("event", event)
    return record


def _other(name: str, event: str | None) -> BadCdr:
    told = (
        "required" if event is None else f"{event[:100]!r}: no call has ended with it"
    )
    return bad(
        name,
        f"{told}; have the PBX report {EVENT} ({EVENT_OF_P}, Call End Details) only",
    )


def _message(message: object) -> dict[str, Any]:
    if isinstance(message, str):
        try:
            message = loads(message)
        except (ValueError, RecursionError):
            raise bad("msg", "not valid JSON") from None
    if not isinstance(message, dict):
        raise bad("msg", "must be an object")
    return message


def _identity(fields: Fields) -> dict[str, Any]:
    call_id = fields.text(*CALL)
    if call_id is None:
        raise bad("callid", "required")
    own = fields.text("uid")
    return {
        "uid": safe_uid(own) if own is not None else _uid(fields, call_id),
        "call_id": call_id,
        "pbx": {"id": fields.text("sn")},
    }


def _uid(fields: Fields, call_id: str) -> str:
    """Of one of a call's records, where Yeastar gives no id for it.

    A call that is transferred, or rings a group, is reported several times.
    """
    parts = [call_id, *(fields.text(*names) or "" for names in (START, FROM, TO))]
    text = "\n".join(parts).encode("utf-8", "surrogatepass")
    return safe_uid(f"{call_id}-{hashlib.sha256(text).hexdigest()[:8]}")


def _start(fields: Fields, rules: SourceRules) -> tuple[dt.datetime, str]:
    text = fields.text(*START)
    if text is None:
        raise bad("timestart", "required")
    try:
        return local_moment(text, rules.zone, formats=FORMATS)
    except ValueError as error:
        raise bad("timestart", str(error)) from None


def _mark(fields: Fields, rules: SourceRules) -> dict[str, str]:
    _, mark = _start(fields, rules)
    return {"clock": mark} if mark else {}


def _timing(fields: Fields, rules: SourceRules) -> dict[str, Any]:
    started, _ = _start(fields, rules)
    duration, talked = fields.whole(*DURATION), fields.whole(*TALK)
    disposition = DISPOSITIONS.get((fields.text("status") or "").upper())
    ended = None if duration is None else moved(started, duration, "callduraction")
    ringing = None
    if duration is not None and talked is not None and talked <= duration:
        ringing = duration - talked
    answered = None
    if disposition == "answered" and ringing is not None:
        answered = moved(started, ringing, "callduraction")
    return {
        "started_at": started,
        "answered_at": answered,
        "ended_at": ended,
        "time_zone": rules.zone,
        "duration": duration,
        "ring_duration": ringing,
        "talk_duration": talked,
        "disposition": disposition,
        "abandoned": None if disposition is None else disposition == "cancelled",
    }


def _parties(fields: Fields) -> dict[str, Any]:
    kind = (fields.text("type") or "").lower()
    direction, call_type = DIRECTIONS.get(kind, (None, None))
    number, name = _party(fields.text(*FROM))
    called, called_name = _party(fields.text(*TO))
    dialed = fields.text(*DID) if direction == "inbound" else None
    recording = fields.text("recording")
    answerer = {"number": called, "name": called_name}
    is_answered = (fields.text("status") or "").upper() == "ANSWERED"
    return {
        "direction": direction,
        "call_type": call_type,
        "caller": {"number": number, "name": name},
        "dialed": {
            "number": dialed or called,
            "name": fields.text("did_name") if dialed else called_name,
        },
        "legs": {"answered": {"user": answerer}}
        if direction == "inbound" and is_answered
        else None,
        "recordings": None if recording is None else [{"id": recording}],
        "dialer": {"gateway": fields.text(*TRUNK_OUT)}
        if direction == "outbound"
        else None,
    }


def _party(text: str | None) -> tuple[str | None, str | None]:
    """Number and name of `1001`, or of `Name<1001>` as the P series may show it."""
    name, mark, number = (text or "").partition("<")
    if not mark or not number.endswith(">"):
        return text, None
    return number[:-1].strip() or None, name.strip() or None
