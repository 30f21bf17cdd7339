"""FreeSWITCH: one leg as mod_json_cdr, mod_xml_cdr and mod_format_cdr report it.

Every leg is a CDR of its own, as FreeSWITCH has it. Numbers are kept as told (no region
is guessed), times come from the epochs in UTC (the stamps have no zone). `direction` is
FusionPBX's where it tells one (freeswitch_fusionpbx), else FreeSWITCH's, which means it
as seen from the switch: an extension that dials out is `inbound` on its A leg.
Refuses to join legs, and to look at Content-Type and query (the same record must give
the same Cdr from the wire and from the err-log-dir).
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from dispatcher.adapters import cdr_json, freeswitch_fusionpbx
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
from dispatcher.adapters.freeswitch_names import KEPT, RECORDED, SOURCES
from dispatcher.adapters.freeswitch_outcome import abandoned, disposition
from dispatcher.adapters.freeswitch_xml import ARRAY
from dispatcher.values import FieldError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dispatcher.values import Cdr, SourceRules

EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
A_LEG, B_LEG = 1, 2


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
        return [read_leg(body)]


def read_leg(body: bytes) -> Read | Undecodable:
    """What was posted, or what is in a file of an err-log-dir; raises nothing."""
    try:
        return Read(_to_cdr(Document(read_body(body))), body)
    except BadCdr as bad:
        return Undecodable(str(bad), body, bad.errors)


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
    if uuid.startswith(ARRAY):
        raise BadCdr(FieldError("variables.uuid", "stands there more than once"))
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
        "direction": freeswitch_fusionpbx.direction(document)
        or document.variable("direction")
        or document.channel("direction"),
        "disposition": disposition(cause, answered=answered, given_up=given_up),
        "hangup_cause": cause,
        "hangup_cause_code": document.whole("hangup_cause_q850"),
        "abandoned": abandoned(cause, answered=answered, given_up=given_up),
        **_voicemail(document, answered=answered),
    }


def _voicemail(document: Document, *, answered: bool) -> dict[str, str]:
    taken = answered and freeswitch_fusionpbx.to_voicemail(document)
    return {"disposition": "voicemail"} if taken else {}


def _parties(document: Document) -> dict[str, Any]:
    number, name, dialed = map(
        document.profile, ("caller_id_number", "caller_id_name", "destination_number")
    )
    dialed = dialed or document.first("destination_number", "sip_req_user")
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
        "dialed": {"number": _did(document) or dialed},
    }


def _did(document: Document) -> str | None:
    """What an outside caller dialled, where it is not where the call went in the end."""
    if _leg_type(document) == B_LEG:
        return None
    return freeswitch_fusionpbx.dialed_number(document)


def _leg_type(document: Document) -> int:
    """newfies.txt: 1 is the A leg, 2 a leg that another one originated."""
    originated = document.variable("originating_leg_uuid") is not None or any(
        profile.get("originator") is not None for profile in document.profiles
    )
    return B_LEG if originated else A_LEG


def _recordings(document: Document) -> list[dict[str, str]] | None:
    """Where the dialplan says that it records; None: it does not say."""
    folder, name = map(document.variable, ("record_path", "record_name"))
    if name is not None:
        place = {"url": f"{folder.rstrip('/')}/{name}"} if folder else {}
        return [{"id": name, **place}]
    path = document.first(*RECORDED)
    return [{"id": path.rpartition("/")[2] or path, "url": path}] if path else None


def _kept(document: Document) -> dict[str, Any] | None:
    kept = {name: document.variable(name) for name in KEPT}
    kept["context"] = document.profile("context")
    kept["network_addr"] = document.profile("network_addr")
    last = document.profile("destination_number")
    first = document.profile("destination_number", -1)
    if first != last:
        # Before transfers: on an inbound leg the number that the caller dialled.
        kept["first_destination_number"] = first
    if _did(document) not in {None, last}:
        kept["destination_number"] = last
    return {"freeswitch": kept} if any(kept.values()) else None
