"""Webex: one leg as a Detailed Call History record tells it.

A record, a list of them, or an API's answer `{"items": [..]}`. Names differ in case
between Webex' pages and its records, and new ones come without notice; unknown is "" or
"NA"; numbers may be texts; times are UTC, with or without saying so. The whole record
stays under `extra.webex`, blanks too: a feed shows it as it came (payloads.webex_record).
Refuses a record without `Report ID`: by it Webex says that one is repeated.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any, Final

from dispatcher.adapters.base import NO_HEADERS, PLAIN, Read, Undecodable, safe_uid
from dispatcher.adapters.fields import Fields, an_object, bad, to_cdr
from dispatcher.adapters.json_items import read_records

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dispatcher.adapters.json_items import Record
    from dispatcher.values import Cdr, SourceRules

LISTS: Final = ("items",)
BLANKS: Final = frozenset({"NA"})

_MOMENT: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?"
    r"(Z|[+-][0-9]{2}:?[0-9]{2})?",
    re.ASCII | re.IGNORECASE,
)

DIRECTIONS: Final = {"ORIGINATING": "outbound", "TERMINATING": "inbound"}
CALL_TYPES: Final = {
    "SIP_ENTERPRISE": "internal",
    "SIP_INBOUND": "external",
    "SIP_NATIONAL": "external",
    "SIP_INTERNATIONAL": "external",
    "SIP_MOBILE": "external",
    "SIP_TOLLFREE": "external",
    "SIP_PREMIUM": "external",
    "SIP_EMERGENCY": "external",
    "SIP_SHORTCODE": "external",
}
# `Call outcome reason` of a leg that nobody answered -> disposition.
REASONS: Final = {
    "userbusy": "busy",
    "noanswer": "no_answer",
    "temporarilyunavailable": "no_answer",
    "sip487": "cancelled",
}
OUTCOMES: Final = {"success": "no_answer", "refusal": "failed", "failure": "failed"}
# `Call outcome reason` -> hangup cause, Q.850.
CAUSES: Final = {
    "normal": ("NORMAL_CLEARING", 16),
    "userbusy": ("USER_BUSY", 17),
    "noanswer": ("NO_ANSWER", 19),
    "nouserresponse": ("NO_USER_RESPONSE", 18),
    "unassignednumber": ("UNALLOCATED_NUMBER", 1),
    "noroutetodestination": ("NO_ROUTE_DESTINATION", 3),
    "userabsent": ("SUBSCRIBER_ABSENT", 20),
    "callrejected": ("CALL_REJECTED", 21),
    "destinationoutoforder": ("DESTINATION_OUT_OF_ORDER", 27),
    "protocolerror": ("PROTOCOL_ERROR", 111),
}

NAMES: Final = {
    "uid": "Report ID",
    "report_id": "Report ID",
    "call_id": "Correlation ID",
    "pbx.id": "Site UUID",
    "pbx.name": "Location",
    "started_at": "Start time",
    "answered_at": "Answer time",
    "ended_at": "Release time",
    "duration": "Duration",
    "ring_duration": "Ring duration",
    "hold_duration": "Hold duration",
    "caller.number": "Calling number",
    "caller.name": "Calling line ID",
    "dialed.number": "Called number",
    "dialed.name": "Called line ID",
    "user_type": "User type",
    "route.name": "Route group",
    "dialer.gateway": "Outbound trunk",
    "legs.answered.user.number": "User number",
    "legs.answered.user.name": "User",
    "legs.answered.device.name": "Model",
    "extra": "the record",
}


class Webex:
    """The adapter behind `/ingest/webex/{tenant}`."""

    name: Final = "webex"

    def decode(
        self,
        body: bytes,
        *,
        content_type: str = "",
        query: str = "",
        headers: Mapping[str, str] = NO_HEADERS,
        rules: SourceRules = PLAIN,
    ) -> Sequence[Read | Undecodable]:
        """Every record is a leg of its own."""
        return read_records(body, lambda record: to_legs(record, rules), lists=LISTS)


def to_legs(record: Record, _rules: SourceRules) -> list[Read]:
    """The one leg of a record. Raises BadCdr by Webex' names of the fields."""
    return [Read(_to_cdr(an_object(record.value)), record.raw)]


def _to_cdr(record: dict[str, Any]) -> Cdr:
    lowered = {name.lower(): value for name, value in record.items()}
    fields = _Named(lowered, blanks=BLANKS)
    return to_cdr(
        {
            **_identity(fields),
            **_timing(fields),
            **_outcome(fields),
            **_parties(fields),
            "extra": {"webex": record},
        },
        NAMES,
    )


class _Named(Fields):
    """Fields by their names, in whichever case they came."""

    def _value(self, name: str) -> Any:
        value = self.record.get(name.lower())
        return str(value).lower() if isinstance(value, bool) else value


def _identity(fields: Fields) -> dict[str, Any]:
    report_id = fields.text("Report ID")
    if report_id is None:
        raise bad("Report ID", "required")
    return {
        "uid": safe_uid(report_id),
        "report_id": report_id,
        "call_id": fields.text("Correlation ID"),
        "pbx": {"id": fields.text("Site UUID"), "name": fields.text("Location")},
        "user_type": fields.text("User type"),
    }


def _timing(fields: Fields) -> dict[str, Any]:
    started = _moment(fields, "Start time")
    if started is None:
        raise bad("Start time", "required")
    answered, ended = _moment(fields, "Answer time"), _moment(fields, "Release time")
    duration = fields.whole("Duration")
    return {
        "started_at": started,
        "answered_at": answered,
        "ended_at": ended,
        "duration": duration,
        "ring_duration": fields.whole("Ring duration"),
        "hold_duration": fields.whole("Hold duration"),
        "talk_duration": _talked(answered, ended, duration),
    }


def _moment(fields: Fields, name: str) -> dt.datetime | None:
    """`2026-09-01T12:00:12.345Z`, or the same in UTC without saying so."""
    text = fields.text(name)
    if text is None:
        return None
    found = _MOMENT.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        moment = dt.datetime.fromisoformat(text.upper())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=dt.UTC)
        return moment.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise bad(name, "must be a time such as 2026-09-01T12:00:12.345Z") from None


def _talked(
    answered: dt.datetime | None, ended: dt.datetime | None, duration: int | None
) -> int | None:
    """Full seconds from answer to release; unknown where they contradict the duration."""
    if answered is None or ended is None or duration is None:
        return None
    talked = (ended - answered) // dt.timedelta(seconds=1)
    return talked if 0 <= talked <= duration + 1 else None


def _outcome(fields: Fields) -> dict[str, Any]:
    reason = (fields.text("Call outcome reason") or "").lower()
    answered = _is_answered(fields)
    cause, code = CAUSES.get(reason, (None, None))
    disposition = _disposition(fields, reason, answered=answered)
    return {
        "disposition": disposition,
        "abandoned": None if disposition is None else disposition == "cancelled",
        "hangup_cause": cause,
        "hangup_cause_code": code,
    }


def _is_answered(fields: Fields) -> bool | None:
    told = (fields.text("Answered", "Answer indicator") or "").lower()
    if told:
        return told in ("true", "yes", "yes-postredirection")
    return None


def _disposition(fields: Fields, reason: str, *, answered: bool | None) -> str | None:
    if answered:
        return "answered"
    outcome = (fields.text("Call outcome") or "").lower()
    if answered is None and reason not in REASONS:
        return None
    return REASONS.get(reason) or OUTCOMES.get(outcome)


def _parties(fields: Fields) -> dict[str, Any]:
    kind = CALL_TYPES.get((fields.text("Call type") or "").upper())
    way = DIRECTIONS.get((fields.text("Direction") or "").upper())
    user = {
        "user": {"number": fields.text("User number"), "name": fields.text("User")},
        "device": {"name": fields.text("Model")},
    }
    return {
        "direction": "internal" if kind == "internal" else way,
        "call_type": kind,
        "caller": {
            "number": fields.text(
                "Calling number", "Caller ID number", "External caller ID number"
            ),
            "name": fields.text("Calling line ID"),
        },
        "dialed": {
            "number": fields.text("Called number", "Dialed digits"),
            "name": fields.text("Called line ID"),
        },
        "legs": {"answered": user}
        if way == "inbound" and _is_answered(fields)
        else None,
        "route": {"name": fields.text("Route group")},
        "dialer": {"gateway": fields.text("Outbound trunk")},
    }
