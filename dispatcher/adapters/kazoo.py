"""Kazoo: one leg as a `channel_destroy` webhook or a Crossbar CDR reports it.

TELECOM facts: JSON, form data with brackets, or (GET) the same in the query; numbers may
be texts; `timestamp` is the leg's end in Gregorian seconds, `channel_created_time` its
start in microseconds since 1970. Kazoo takes no status but 200 for success, and switches
a hook off that fails six times in a minute. Every leg is a CDR of its own; `direction` is
as the switch sees it. Refuses all other events of a hook: no call has ended with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dispatcher.adapters.base import (
    NO_HEADERS,
    PLAIN,
    BadCdr,
    Read,
    Undecodable,
    safe_uid,
)
from dispatcher.adapters.fields import (
    Fields,
    an_object,
    bad,
    kept,
    moved,
    since_1970,
    to_cdr,
)
from dispatcher.adapters.form_body import read_form
from dispatcher.adapters.freeswitch_outcome import abandoned, disposition
from dispatcher.adapters.json_items import BOM, read_records, undecodable

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from dispatcher.adapters.json_items import Record
    from dispatcher.values import Cdr, SourceRules

EVENT: Final = "channel_destroy"
# 1 January 1970, in seconds since the year 0.
GREGORIAN_EPOCH_S: Final = 62_167_219_200
GREGORIAN_LIMIT_S: Final = 315_537_897_600
A_LEG, B_LEG = 1, 2
OK, ACCEPTED = 200, 202
# What Crossbar wraps its answers in.
LISTS: Final = ("data",)
_NOBODY: Final = frozenset({"nouser", "unknown"})

# Our field -> Kazoo's.
NAMES: Final = {
    "uid": "call_id",
    "call_id": "interaction_id",
    "pbx.id": "cluster_id",
    "pbx.name": "media_server",
    "started_at": "channel_created_time",
    "ended_at": "timestamp",
    "duration": "duration_seconds",
    "ring_duration": "ringing_seconds",
    "talk_duration": "billing_seconds",
    "billed_duration": "billing_seconds",
    "direction": "call_direction",
    "hangup_cause": "hangup_cause",
    "caller.number": "caller_id_number",
    "caller.name": "caller_id_name",
    "dialed.number": "to",
    "dialed.name": "callee_id_name",
    "extra": "the record",
}
# What stands in a field of ours just as it came.
_ELSEWHERE: Final = frozenset(
    {
        "duration_seconds",
        "ringing_seconds",
        "billing_seconds",
        "hangup_cause",
        "caller_id_number",
        "caller_id_name",
        "callee_id_name",
    }
)


class Kazoo:
    """The adapter behind `/ingest/kazoo/{tenant}`."""

    name: Final = "kazoo"
    methods: Final = frozenset({"GET", "POST", "PUT"})

    def decode(
        self,
        body: bytes,
        *,
        content_type: str = "",
        query: str = "",
        headers: Mapping[str, str] = NO_HEADERS,
        rules: SourceRules = PLAIN,
    ) -> Sequence[Read | Undecodable]:
        """One leg, or the list of a Crossbar answer."""
        body = body or query.encode("utf-8", "surrogatepass")
        if body.removeprefix(BOM).lstrip()[:1] in (b"{", b"["):
            return read_records(body, _to_calls, lists=LISTS)
        try:
            return [Read(_to_cdr(_form(body)), body)]
        except BadCdr as error:
            return [undecodable(error, body)]

    def success_status(self, headers: Mapping[str, str]) -> int:
        """200 for a hook of Kazoo's, which counts anything else as failed."""
        return OK if "x-hook-id" in headers else ACCEPTED


def _form(body: bytes) -> dict[str, Any]:
    if b"=" not in body:
        raise bad("body", "neither JSON nor form data")
    return read_form(body)


def _to_calls(record: Record) -> list[Read]:
    told = an_object(record.value)
    # Crossbar's answer for a single CDR.
    inner = told.get("data")
    cdr = _to_cdr(inner if isinstance(inner, dict) else told)
    return [Read(cdr, record.raw)]


def _to_cdr(record: dict[str, Any]) -> Cdr:
    fields = Fields(record)
    event = fields.text("hook_event")
    if event not in (None, EVENT):
        raise bad(
            "hook_event",
            f"{event[:100]!r}: no call has ended with it;"
            f" let the webhook subscribe to {EVENT} only",
        )
    return to_cdr(
        {
            **_identity(fields),
            **_timing(fields),
            **_outcome(fields),
            **_parties(fields),
            "extra": {"kazoo": kept(record, without=_ELSEWHERE)},
        },
        NAMES,
    )


def _identity(fields: Fields) -> dict[str, Any]:
    call_id = fields.text("call_id")
    if call_id is None:
        raise bad("call_id", "required")
    return {
        "uid": safe_uid(call_id),
        "call_id": fields.text("interaction_id") or _shared_id(fields, call_id),
        "pbx": {
            "id": fields.text("cluster_id"),
            "name": fields.text("media_server", "node"),
        },
    }


def _shared_id(fields: Fields, call_id: str) -> str:
    """What two bridged legs have in common where Kazoo names no interaction."""
    other = fields.text("other_leg_call_id")
    return call_id if other is None else min(call_id, other)


def _timing(fields: Fields) -> dict[str, Any]:
    ended = _ended_at(fields)
    duration = fields.whole("duration_seconds")
    talked = fields.whole("billing_seconds")
    created = fields.whole("channel_created_time")
    if created is not None:
        started = since_1970(created, "channel_created_time")
    elif duration is not None:
        started = moved(ended, -duration, "duration_seconds")
    else:
        raise bad("duration_seconds", "required without channel_created_time")
    answered = _is_answered(fields)
    return {
        "started_at": started,
        "answered_at": moved(ended, -(talked or 0), "billing_seconds")
        if answered
        else None,
        "ended_at": ended,
        "duration": duration,
        "ring_duration": fields.whole("ringing_seconds"),
        "talk_duration": talked,
        "billed_duration": talked,
    }


def _ended_at(fields: Fields) -> dt.datetime:
    seconds = fields.whole("timestamp")
    if seconds is None:
        raise bad("timestamp", "required")
    if not GREGORIAN_EPOCH_S <= seconds < GREGORIAN_LIMIT_S:
        raise bad("timestamp", "must be Gregorian seconds")
    return since_1970((seconds - GREGORIAN_EPOCH_S) * 1_000_000, "timestamp")


def _is_answered(fields: Fields) -> bool:
    if fields.whole("billing_seconds"):
        return True
    # A call of less than a second, which was hung up by a BYE.
    ended = fields.text("hangup_cause"), fields.text("hangup_code")
    return ended == ("NORMAL_CLEARING", "sip:200")


def _outcome(fields: Fields) -> dict[str, Any]:
    cause = fields.text("hangup_cause")
    answered = _is_answered(fields)
    # Crossbar's disposition says who hung up.
    given_up = not answered and (
        cause == "ORIGINATOR_CANCEL" or fields.text("disposition") == "recv_cancel"
    )
    direction = fields.text("call_direction")
    return {
        "direction": direction,
        "disposition": disposition(cause, answered=answered, given_up=given_up),
        "hangup_cause": cause,
        "abandoned": abandoned(cause, answered=answered, given_up=given_up),
        "dialer": {"leg_type": B_LEG if direction == "outbound" else A_LEG},
    }


def _parties(fields: Fields) -> dict[str, Any]:
    dialed = [_user_part(fields.text(name)) for name in ("to", "request")]
    # On the leg of the caller the callee is who answered, not who was called.
    callee = fields.text("callee_id_number")
    is_b_leg = fields.text("call_direction") == "outbound"
    numbers = [callee, *dialed] if is_b_leg else [*dialed, callee]
    return {
        "caller": {
            "number": fields.text("caller_id_number"),
            "name": fields.text("caller_id_name"),
        },
        "dialed": {
            "number": next(filter(None, numbers), None),
            "name": fields.text("callee_id_name"),
        },
    }


def _user_part(uri: str | None) -> str | None:
    user = (uri or "").removeprefix("sip:").partition("@")[0]
    return None if user in _NOBODY else user or None
