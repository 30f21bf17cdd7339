"""FreeSWITCH: one leg as mod_json_cdr and mod_format_cdr (json) report it.

TELECOM.md 1.1 says what they send. Every leg is a CDR of its own, as FreeSWITCH has it.
Numbers are kept as told (no region is guessed), times come from the epochs in UTC (the
stamps have no zone), and so does `direction`, which FreeSWITCH means as seen from the
switch: an extension that dials out is `inbound` on its A leg.
Refuses to join legs, and to look at Content-Type and query (the same record must give
the same Cdr from the wire and from the err-log-dir).
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from dispatcher.adapters import cdr_json
from dispatcher.adapters.base import (
    NO_HEADERS,
    PLAIN,
    BadCdr,
    Read,
    Undecodable,
    safe_uid,
)
from dispatcher.adapters.freeswitch_body import read_body
from dispatcher.adapters.freeswitch_document import Document, text_of
from dispatcher.values import FieldError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dispatcher.values import Cdr, SourceRules

EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
A_LEG, B_LEG = 1, 2

# How a leg that was never answered ended, by hangup_cause; all others: failed.
# NORMAL_CLEARING does not say who hung up, only that nobody had answered.
UNANSWERED: Final = {
    "USER_BUSY": "busy",
    "NO_ANSWER": "no_answer",
    "NO_USER_RESPONSE": "no_answer",
    "ALLOTTED_TIMEOUT": "no_answer",
    "NORMAL_CLEARING": "no_answer",
    "ORIGINATOR_CANCEL": "cancelled",
    # Somebody else took the call: this leg was called off.
    "LOSE_RACE": "cancelled",
    "PICKED_OFF": "cancelled",
}

# Variables worth keeping as they are, under extra.freeswitch.
KEPT: Final = (
    "accountcode",
    "bridge_uuid",
    "digits_dialed",
    "endpoint_disposition",
    "hold_accum_ms",
    "last_app",
    "last_arg",
    "originate_disposition",
    "originating_leg_uuid",
    "other_loopback_leg_uuid",
    "presence_id",
    "progress_media_uepoch",
    "progress_uepoch",
    "read_codec",
    "rtp_audio_in_mos",
    "session_id",
    "sip_call_id",
    "sip_gateway_name",
    "sip_hangup_disposition",
    "sip_hangup_phrase",
    "sip_term_status",
    "sip_user_agent",
    "sofia_profile_name",
    "userfield",
    "write_codec",
)

# Our field -> what FreeSWITCH calls it, for errors that an operator can act upon.
SOURCES: Final = {
    "uid": "variables.uuid",
    "call_id": "variables.call_uuid",
    "pbx.id": "core-uuid",
    "pbx.name": "switchname",
    "started_at": "variables.start_uepoch",
    "answered_at": "variables.answer_uepoch",
    "ended_at": "variables.end_uepoch",
    "duration": "variables.duration",
    "talk_duration": "variables.billsec",
    "billed_duration": "variables.billsec",
    "hold_duration": "variables.hold_accum_seconds",
    "direction": "variables.direction",
    "hangup_cause": "variables.hangup_cause",
    "hangup_cause_code": "variables.hangup_cause_q850",
    "caller.number": "caller_profile.caller_id_number",
    "caller.name": "caller_profile.caller_id_name",
    "dialed.number": "caller_profile.destination_number",
    "recordings.0.id": "variables.record_name",
    "recordings.0.url": "variables.record_path",
    "extra": "variables",
}


class FreeSwitch:
    """The adapter behind `/ingest/freeswitch/{tenant}`."""

    name: Final = "freeswitch"

    def decode(
        self,
        body: bytes,
        *,
        content_type: str = "",
        query: str = "",
        headers: Mapping[str, str] = NO_HEADERS,
        rules: SourceRules = PLAIN,
    ) -> Sequence[Read | Undecodable]:
        """One body is one leg: a list of one Read, or of one Undecodable."""
        try:
            return [Read(_to_cdr(Document(read_body(body))), body)]
        except BadCdr as bad:
            return [Undecodable(str(bad), body, bad.errors)]


def _to_cdr(document: Document) -> Cdr:
    record = _drop_unknown(
        {
            **_identity(document),
            **_timing(document),
            **_outcome(document),
            **_parties(document),
            "recordings": _recordings(document),
            "dialer": {"leg_type": _leg_type(document)},
            "extra": _kept(document),
        }
    )
    try:
        return cdr_json.parse(record)
    except BadCdr as bad:
        raise BadCdr(
            *[FieldError(SOURCES.get(e.field, e.field), e.message) for e in bad.errors]
        ) from None


def _drop_unknown(record: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _drop_unknown(value) if isinstance(value, dict) else value
        for key, value in record.items()
        if value is not None
    }


def _identity(document: Document) -> dict[str, Any]:
    uuid = document.variable("uuid")
    if uuid is None:
        raise BadCdr(FieldError("variables.uuid", "required"))
    top = document.top
    return {
        "uid": safe_uid(uuid),
        "call_id": document.variable("call_uuid"),
        "pbx": {
            "id": text_of(top.get("core-uuid"), "core-uuid"),
            "name": text_of(top.get("switchname"), "switchname"),
        },
    }


def _timing(document: Document) -> dict[str, Any]:
    start = document.moment_us("start")
    if start is None:
        raise BadCdr(FieldError("variables.start_uepoch", "required"))
    answer, end = document.moment_us("answer"), document.moment_us("end")
    talked = document.whole("billsec")
    return {
        "started_at": _moment(start),
        "answered_at": _moment(answer),
        "ended_at": _moment(end),
        "duration": document.whole("duration"),
        "ring_duration": _ringing(document, start, answer or end),
        "talk_duration": talked,
        "billed_duration": talked,
        "hold_duration": document.whole("hold_accum_seconds"),
    }


def _moment(micros: int | None) -> str | None:
    if micros is None:
        return None
    return (EPOCH + dt.timedelta(microseconds=micros)).isoformat()


def _ringing(document: Document, start: int, until: int | None) -> int | None:
    """Full seconds from the first sign of ringing, else from the start.

    Unknown where the clock of the PBX was set back in between.
    """
    if until is None:
        return None
    signs = (document.moment_us("progress"), document.moment_us("progress_media"))
    since = min(filter(None, signs), default=start)
    return (until - since) // 1_000_000 if until >= since else None


def _outcome(document: Document) -> dict[str, Any]:
    cause = document.variable("hangup_cause")
    answered = document.moment_us("answer") is not None
    # The caller's CANCEL tells more than a cause that the dialplan chose.
    called_off = document.variable("sip_hangup_disposition") == "recv_cancel"
    given_up = cause == "ORIGINATOR_CANCEL" or called_off
    return {
        "direction": document.variable("direction") or document.channel("direction"),
        "disposition": _disposition(cause, answered=answered, given_up=given_up),
        "hangup_cause": cause,
        "hangup_cause_code": document.whole("hangup_cause_q850"),
        "abandoned": _abandoned(cause, answered=answered, given_up=given_up),
    }


def _disposition(cause: str | None, *, answered: bool, given_up: bool) -> str | None:
    if answered:
        return "answered"
    if given_up:
        return "cancelled"
    return None if cause is None else UNANSWERED.get(cause, "failed")


def _abandoned(cause: str | None, *, answered: bool, given_up: bool) -> bool | None:
    """Whether the caller gave up; unknown where FreeSWITCH does not say who cleared."""
    if not answered and not given_up and cause in {None, "NORMAL_CLEARING"}:
        return None
    return given_up and not answered


def _parties(document: Document) -> dict[str, Any]:
    number, name, dialed = map(
        document.profile, ("caller_id_number", "caller_id_name", "destination_number")
    )
    return {
        "caller": {
            "number": number
            or document.first(
                "caller_id_number", "origination_caller_id_number", "sip_from_user"
            ),
            "name": name
            or document.first(
                "caller_id_name", "origination_caller_id_name", "sip_from_display"
            ),
        },
        "dialed": {
            "number": dialed or document.first("destination_number", "sip_req_user")
        },
    }


def _leg_type(document: Document) -> int:
    """newfies.txt: 1 is the A leg, 2 a leg that another one originated."""
    originated = document.variable("originating_leg_uuid") is not None or any(
        profile.get("originator") is not None for profile in document.profiles
    )
    return B_LEG if originated else A_LEG


def _recordings(document: Document) -> list[dict[str, str]] | None:
    """What `record_name` and `record_path` tell; None: FreeSWITCH does not say."""
    folder, name = map(document.variable, ("record_path", "record_name"))
    if name is None:
        return None
    place = {"url": f"{folder.rstrip('/')}/{name}"} if folder else {}
    return [{"id": name, **place}]


def _kept(document: Document) -> dict[str, Any] | None:
    kept = {name: document.variable(name) for name in KEPT}
    kept["context"] = document.profile("context")
    kept["network_addr"] = document.profile("network_addr")
    first = document.profile("destination_number", -1)
    if first != document.profile("destination_number"):
        # Before transfers: on an inbound leg the number that the caller dialled.
        kept["first_destination_number"] = first
    return {"freeswitch": kept} if any(kept.values()) else None
