"""One call as a Webex detailed call record: its names, and what we know under each.

The names are those of Webex' public reference of the record (reports, detailed call
history); the newer ones, from `External customer ID` on, as real records spell them.
All of them are always there. Renders no delivery; what is sent of a window is for the
feed to say.

Decided where the documents are silent (PAYLOADS.md, feed):

* Unknown is `""`, for numbers too. A value is derived only where it is certain: an
  outbound call may be national or mobile, so its `Call type` is unknown.
* `Answered` is text ("true"), as in the reference. A call that voicemail took was
  answered. Where the PBX gave no disposition, see payloads.disposition.
* `Release time` without an end is start plus duration, as for the call's window.
* The user of an inbound call is who answered, else who rang first, else the dialled
  party; of an outbound call the calling party. Any other call has none that is certain.
* `Local call ID`, which tells the legs of a session apart, is the uid.
* `Call outcome` counts busy and unanswered calls as `Success`, as Webex does.
* A record that came in as Webex' own (`extra.webex`, an object) keeps what it brought,
  blanks too; a null or a blank `Report ID` brings nothing. `Org UUID` is the tenant's
  all the same: by it a partner counts whose calls came, and no record of one tenant may
  say that it is another's.
"""

from __future__ import annotations

import datetime as dt
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from dispatcher.cdr_fields import in_zone, zone
from dispatcher.payloads.disposition import disposition
from dispatcher.values import Line

if TYPE_CHECKING:
    from dispatcher.values import CarriedCdr, Cdr, Disposition

NAMES: Final = (
    "Answer indicator",
    "Answer time",
    "Answered",
    "Authorization code",
    "Call ID",
    "Caller ID number",
    "Call outcome",
    "Call outcome reason",
    "Call Recording Platform Name",
    "Call Recording Result",
    "Call Recording Trigger",
    "Call transfer Time",
    "Call type",
    "Called line ID",
    "Called number",
    "Calling line ID",
    "Calling number",
    "Client type",
    "Client version",
    "Correlation ID",
    "Department ID",
    "Device MAC",
    "Device owner UUID",
    "Dialed digits",
    "Direction",
    "Duration",
    "External caller ID number",
    "Final local SessionID",
    "Final remote SessionID",
    "Inbound trunk",
    "International country",
    "Local call ID",
    "Local SessionID",
    "Location",
    "Model",
    "Network call ID",
    "Org UUID",
    "Original reason",
    "OS type",
    "Outbound trunk",
    "Public Called IP Address",
    "Public Calling IP Address",
    "Release time",
    "Ring duration",
    "Redirecting party UUID",
    "Redirect reason",
    "Redirecting number",
    "Related call ID",
    "Related reason",
    "Releasing party",
    "Remote call ID",
    "Remote SessionID",
    "Report ID",
    "Report time",
    "Route group",
    "Site main number",
    "Site timezone",
    "Site UUID",
    "Start time",
    "Sub client type",
    "Transfer related call ID",
    "User",
    "User number",
    "User type",
    "User UUID",
    "PSTN Vendor Name",
    "PSTN Legal Entity",
    "PSTN Vendor Org ID",
    "PSTN Provider ID",
    "External customer ID",
    "Original called party UUID",
    "Recall type",
    "Auto Attendant Key Pressed",
    "Queue type",
    "Answered elsewhere",
    "Hold duration",
    "Route list calls overage",
    "Caller Reputation Score",
    "Caller Reputation Service Result",
    "Caller Reputation Score Reason",
    "Interaction ID",
    "WxCC consult merge status",
    "ELIN",
    "Emergency number source",
    "Transfer type",
    "Transfer type context",
    "Answer reason",
)

_BLANK: Final = MappingProxyType(dict.fromkeys(NAMES, ""))
# Webex' own records and its reference differ in case: "Call transfer time".
_SPELLING: Final = MappingProxyType({name.lower(): name for name in NAMES})
_MINUTE: Final = dt.timedelta(minutes=1)
_NOBODY: Final = Line()

_DIRECTIONS: Final = {"inbound": "TERMINATING", "outbound": "ORIGINATING"}
_ANSWERED: Final = {"answered": "true", "voicemail": "true", None: None}
_ANSWER_INDICATORS: Final = {"true": "Yes", "false": "No"}
_OUTCOMES: Final[dict[Disposition | None, tuple[str, str]]] = {
    "answered": ("Success", "Normal"),
    "voicemail": ("Success", "Normal"),
    "busy": ("Success", "UserBusy"),
    "no_answer": ("Success", "NoAnswer"),
    "cancelled": ("Refusal", "SIP487"),
    "failed": ("Failure", ""),
    None: ("", ""),
}
# Why a call failed, by Q.850 cause and by the name that switches give it.
_FAILURES: Final[dict[int | str | None, tuple[str, str]]] = {
    key: (outcome, reason)
    for code, name, outcome, reason in (
        (1, "UNALLOCATED_NUMBER", "Refusal", "UnassignedNumber"),
        (3, "NO_ROUTE_DESTINATION", "Failure", "NoRouteToDestination"),
        (18, "NO_USER_RESPONSE", "Refusal", "NoUserResponse"),
        (20, "SUBSCRIBER_ABSENT", "Refusal", "UserAbsent"),
        (21, "CALL_REJECTED", "Refusal", "CallRejected"),
        (27, "DESTINATION_OUT_OF_ORDER", "Failure", "DestinationOutOfOrder"),
        (102, "RECOVERY_ON_TIMER_EXPIRE", "Refusal", "Q850102ServerTimeout"),
        (111, "PROTOCOL_ERROR", "Failure", "ProtocolError"),
    )
    for key in (code, name)
}


def item(carried: CarriedCdr) -> dict[str, Any]:
    """The record: every name of `NAMES` in that order, then what else Webex brought."""
    known = {
        name: value for name, value in _derived(carried).items() if value is not None
    }
    return {**_BLANK, **known, **_brought(carried.cdr)}


def utc_text(moment: dt.datetime) -> str:
    """`moment` as Webex writes it, `2026-09-01T12:00:12.345Z`; cut, not rounded.

    A rounded end could lie outside the window that the call is in.
    """
    text = moment.astimezone(dt.UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def _derived(carried: CarriedCdr) -> dict[str, Any]:
    """What our fields say, by Webex' names; None: unknown."""
    cdr = carried.cdr
    ended = disposition(cdr)
    answered = _ANSWERED.get(ended, "false")
    outcome, reason = _outcome(cdr, ended)
    user = _user(cdr)
    return {
        "Answer indicator": _ANSWER_INDICATORS.get(answered or ""),
        "Answer time": _time(cdr.answered_at),
        "Answered": answered,
        "Caller ID number": cdr.caller.number,
        "Call outcome": outcome,
        "Call outcome reason": reason,
        "Call Recording Result": "successful" if cdr.recordings else None,
        "Call type": _call_type(cdr),
        "Called line ID": cdr.dialed.name,
        "Called number": cdr.dialed.number,
        "Calling line ID": cdr.caller.name,
        "Calling number": cdr.caller.number,
        "Correlation ID": cdr.call_id or cdr.uid,
        "Direction": _DIRECTIONS.get(cdr.direction or ""),
        "Duration": cdr.duration,
        "Local call ID": cdr.uid,
        "Org UUID": carried.tenant_external_id,
        "Outbound trunk": cdr.dialer.gateway,
        "Release time": _release_time(cdr),
        "Ring duration": cdr.ring_duration,
        "Report ID": cdr.report_id or str(carried.id),
        "Report time": _time(carried.accepted_at),
        "Site timezone": _site_timezone(cdr),
        "Start time": _time(cdr.started_at),
        "User": user.name,
        "User number": user.number,
        "User type": cdr.user_type,
        "Hold duration": cdr.hold_duration,
    }


def _brought(cdr: Cdr) -> dict[str, Any]:
    """What a record that was Webex' own brought, under the names as we spell them."""
    webex = (cdr.extra or {}).get("webex")
    if not isinstance(webex, dict):
        return {}
    named = ((_SPELLING.get(name.lower(), name), webex[name]) for name in webex)
    return {name: value for name, value in named if _is_brought(name, value)}


def _is_brought(name: str, value: Any) -> bool:
    if value is None or name == "Org UUID":
        return False
    return value != "" or name != "Report ID"


def _time(moment: dt.datetime | None) -> str | None:
    try:
        return None if moment is None else utc_text(moment)
    except OverflowError:  # at the ends of the calendar UTC has no date
        return None


def _release_time(cdr: Cdr) -> str | None:
    if cdr.ended_at is not None or cdr.duration is None:
        return _time(cdr.ended_at)
    try:
        started_at = cdr.started_at.astimezone(dt.UTC)
        return _time(started_at + dt.timedelta(seconds=cdr.duration))
    except OverflowError:
        return None


def _site_timezone(cdr: Cdr) -> str | None:
    """The offset from UTC of the record's zone when the call began, in minutes."""
    there = in_zone(cdr, cdr.started_at)
    if cdr.time_zone is None or zone(cdr.time_zone) is None or there is None:
        return None
    offset = there.utcoffset()
    return None if offset is None else str(offset // _MINUTE)


def _call_type(cdr: Cdr) -> str | None:
    if cdr.direction == "inbound" and cdr.call_type == "external":
        return "SIP_INBOUND"
    if "internal" in (cdr.call_type, cdr.direction) and cdr.call_type != "external":
        return "SIP_ENTERPRISE"
    return None


def _outcome(cdr: Cdr, ended: Disposition | None) -> tuple[str, str]:
    """`Call outcome` and `Call outcome reason`."""
    if ended != "failed":
        return _OUTCOMES[ended]
    by_name = _FAILURES.get(cdr.hangup_cause, _OUTCOMES["failed"])
    return _FAILURES.get(cdr.hangup_cause_code, by_name)


def _user(cdr: Cdr) -> Line:
    """The `User` and the `User number` of the record."""
    if cdr.direction == "outbound":
        return Line(number=cdr.caller.number, name=cdr.caller.name)
    if cdr.direction != "inbound":
        return _NOBODY
    rang = (cdr.legs.answered.user, cdr.legs.first_rang.user)
    return next((user for user in rang if user != _NOBODY), cdr.dialed)
