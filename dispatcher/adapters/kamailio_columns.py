"""What a row of Kamailio's acc_cdrs means (TELECOM.md 1.6), by column name.

start_time, end_time and duration are Kamailio's; what else there is, and how it is
called, its `cdr_extra` says: the usual names are known here, others are kept. The
modules' own tables of transactions (acc, missed_calls) are refused: one call is
several rows of theirs, and its end may be in none.

A dialog that was set up lasted longer than 0; one of 0 s failed, as acc writes it. When
it was answered acc_cdrs does not say, unless cdr_extra has `answer_time`.

The uid is `callid:from_tag:to_tag`, the key of a dialog. Where cdr_extra has no tags it
is `callid:` and the second of the start: an INVITE that is challenged comes again with
the same Call-ID, and leaves a row of 0 s, too.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING, Any, Final

from dispatcher.adapters import cdr_json
from dispatcher.adapters.base import BadCdr, Read, Undecodable, safe_uid
from dispatcher.adapters.cdr_schema import ID_MAX_CHARS
from dispatcher.adapters.told import (
    EPOCH,
    moment_text,
    moved,
    row_json,
    text_of,
    whole_seconds,
)
from dispatcher.adapters.zones import PLAIN_FORMAT, Moments, local_moments
from dispatcher.values import FieldError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dispatcher.values import Cdr, SourceRules

_FORMATS: Final = (PLAIN_FORMAT, "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z")
_TRANSACTIONS: Final = (
    "a row of acc, which is a transaction: of one call it has several, and what fails"
    " may be in missed_calls; use acc_cdrs (modparam acc cdr_enable, cdrs_table)"
)

# Our word -> what cdr_extra may call it, the likeliest first.
NAMES: Final = {
    "start": ("start_time", "start", "setup_time"),
    "end": ("end_time", "end"),
    "answer": ("answer_time", "answered_time", "connect_time"),
    "duration": ("duration",),
    "call_id": ("call_id", "callid", "sip_call_id", "sip_callid", "ci"),
    "from_tag": ("from_tag", "src_tag", "caller_tag", "ftag", "ft"),
    "to_tag": ("to_tag", "dst_tag", "callee_tag", "ttag", "tt"),
    "caller": (
        *("caller_id", "caller", "caller_number", "calling_number", "calling"),
        *("src_user", "from_user", "src", "fu"),
    ),
    "name": ("caller_name", "src_name", "from_name", "display_name", "fn"),
    "callee": (
        *("callee_id", "callee", "callee_number", "called_number", "called"),
        *("dst_ouser", "dialed", "dst_user", "to_user", "ruri_user", "dst", "ru"),
    ),
    "code": ("sip_code", "code", "reply_code", "status_code", "status"),
    "reason": ("sip_reason", "reason", "reply_reason"),
    "direction": ("direction",),
    "id": ("id",),
}
_MOMENTS: Final = ("start", "answer", "end")
_SECOND: Final = dt.timedelta(seconds=1)
_DIRECTIONS: Final = frozenset({"inbound", "outbound", "internal"})
_SUCCESS: Final = range(200, 300)
_CODES: Final = range(100, 700)
# What a failed dialog's final answer says of it; all others: failed.
_UNANSWERED: Final = {
    **{486: "busy", 600: "busy"},
    **{408: "no_answer", 480: "no_answer"},
    **{487: "cancelled"},
}
# Our field -> the column, for errors that an operator can act upon.
COLUMNS: Final = {
    "uid": "call_id",
    "started_at": "start_time",
    "answered_at": "answer_time",
    "ended_at": "end_time",
    "caller.number": "caller_id",
    "dialed.number": "callee_id",
}


class KamailioRows:
    """Reads rows of acc_cdrs by column name, whatever they came from."""

    name: Final = "kamailio"
    columns: Final = ("start_time", "duration")

    def missing(self, names: Iterable[str]) -> tuple[str, ...]:
        """Which of `columns` a table with those names has not got."""
        known = {name.lower() for name in names}
        needed = (NAMES["start"], NAMES["duration"])
        return tuple(any_of[0] for any_of in needed if known.isdisjoint(any_of))

    def read(self, row: Mapping[str, object], rules: SourceRules) -> Read | Undecodable:
        """The CDR that a row is; `raw` is the row as JSON. Raises nothing."""
        raw = row_json(row)
        try:
            return Read(read_columns(row, rules), raw)
        except BadCdr as bad:
            return Undecodable(str(bad), raw, bad.errors)


def read_columns(columns: Mapping[str, object], rules: SourceRules) -> Cdr:
    """The CDR that a row of acc_cdrs is. Raises BadCdr."""
    told = {name.lower(): value for name, value in columns.items()}
    if "method" in told and "time" in told:
        raise BadCdr(FieldError("row", _TRANSACTIONS))
    record = _record(_Row(told), rules)
    try:
        return cdr_json.parse(record)
    except BadCdr as bad:
        raise BadCdr(
            *[FieldError(COLUMNS.get(e.field, e.field), e.message) for e in bad.errors]
        ) from None


class _Row:
    """A row's values by our words for them; takes note of which columns were used."""

    def __init__(self, columns: Mapping[str, object]) -> None:
        self._columns = columns
        self._used: set[str] = {"id"}

    def text(self, word: str) -> str:
        """The first column of that meaning that has a value; "" without one."""
        for name in NAMES[word]:
            text = self._told(word, name)
            if text:
                self._used.add(name)
                return text
        return ""

    def _told(self, word: str, name: str) -> str:
        value = self._columns.get(name)
        return (moment_text if word in _MOMENTS else text_of)(value, name)

    def rest(self) -> dict[str, str]:
        """What no reading has used, by name."""
        rest = {
            name: text_of(value, name)
            for name, value in self._columns.items()
            if name not in self._used
        }
        return {name: text for name, text in rest.items() if text}


def _record(row: _Row, rules: SourceRules) -> dict[str, Any]:
    duration = whole_seconds(row.text("duration"), "duration")
    moments = _moments(row, rules.zone, duration)
    call_id = row.text("call_id")
    record = {
        "uid": _uid(row, call_id, moments.start),
        "call_id": _bounded(call_id),
        **_times(moments, duration),
        **_outcome(row, moments, duration),
        "caller": _known({"number": row.text("caller"), "name": row.text("name")}),
        "dialed": _known({"number": row.text("callee")}),
    }
    kept = {**row.rest(), **({"clock": moments.mark} if moments.mark else {})}
    return _known({**record, "extra": {"kamailio": kept} if kept else None})


def _moments(row: _Row, zone: str, duration: int | None) -> Moments:
    start, answer, end = (row.text(name) for name in _MOMENTS)
    try:
        return local_moments(
            start, answer, end, zone, duration=duration, formats=_FORMATS
        )
    except ValueError as error:
        raise BadCdr(FieldError("start_time", str(error))) from None


def _uid(row: _Row, call_id: str, start: dt.datetime) -> str:
    tags = (row.text("from_tag"), row.text("to_tag"))
    if call_id and all(tags):
        return safe_uid(":".join((call_id, *tags)))
    seconds = int((start - EPOCH).total_seconds())
    if call_id:
        return safe_uid(f"{call_id}:{seconds}")
    told = "\x1f".join((row.text("id"), row.text("caller"), row.text("callee")))
    digest = hashlib.sha256(told.encode()).hexdigest()
    return f"row:{seconds}:{digest[:16]}"


def _bounded(call_id: str) -> str | None:
    """A Call-ID may be longer than ours; then it is cut and marked as uids are."""
    if not call_id:
        return None
    return call_id if len(call_id) <= ID_MAX_CHARS else safe_uid(call_id)


def _times(moments: Moments, duration: int | None) -> dict[str, Any]:
    start, answer, end, _ = moments
    if end is None and duration is not None:
        end = moved(start, duration)
    talked = (end - answer) // _SECOND if answer and end and end >= answer else None
    rang = (answer - start) // _SECOND if answer and answer >= start else None
    return {
        "started_at": start.isoformat(),
        "answered_at": answer.isoformat() if answer else None,
        "ended_at": end.isoformat() if end else None,
        "duration": duration,
        "ring_duration": rang,
        "talk_duration": talked,
        "billed_duration": talked,
    }


def _outcome(row: _Row, moments: Moments, duration: int | None) -> dict[str, Any]:
    code, reason = row.text("code"), row.text("reason")
    status = int(code) if code.isascii() and code.isdigit() and len(code) == 3 else None
    disposition = _disposition(row, moments, status, duration)
    direction = row.text("direction").lower()
    return {
        "direction": direction if direction in _DIRECTIONS else None,
        "disposition": disposition,
        "hangup_cause": reason or None,
        "hangup_cause_code": status if status in _CODES else None,
        "abandoned": None if disposition is None else disposition == "cancelled",
    }


def _disposition(
    row: _Row, moments: Moments, status: int | None, duration: int | None
) -> str | None:
    if status is not None and status not in _SUCCESS:
        return _UNANSWERED.get(status, "failed")
    if moments.answer is not None or status is not None:
        return "answered"
    # The fraction tells: less than a second is more than nothing.
    lasted = duration or row.text("duration").strip("0.")
    if duration is None:
        return None
    return "answered" if lasted else "failed"


def _known(record: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in record.items()
        if value is not None and value != ""
    }
