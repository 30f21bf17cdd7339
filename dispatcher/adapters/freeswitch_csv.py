"""FreeSWITCH's Master.csv, as mod_cdr_csv writes it by the template `example`.

The same legs as on the wire, by the same uid, but of little more than their times and
numbers. So a row is an excerpt: of a leg that is known already it changes nothing.
mod_cdr_csv escapes nothing. A row in whose values a quote stands is refused, and so is
one of another template. Times are of the source's zone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dispatcher.adapters import cdr_json
from dispatcher.adapters.base import PLAIN, BadCdr, Read, Undecodable, safe_uid
from dispatcher.adapters.cutting import cut_lines
from dispatcher.adapters.freeswitch_outcome import abandoned, disposition
from dispatcher.adapters.zones import local_moments
from dispatcher.values import FieldError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dispatcher.values import Cdr, SourceRules

# The template `example` of cdr_csv.conf.xml.
COLUMNS: Final = (
    "caller_id_name",
    "caller_id_number",
    "destination_number",
    "context",
    "start_stamp",
    "answer_stamp",
    "end_stamp",
    "duration",
    "billsec",
    "hangup_cause",
    "uuid",
    "bleg_uuid",
    "accountcode",
    "read_codec",
    "write_codec",
)
KEPT: Final = ("accountcode", "context", "read_codec", "write_codec")
_MAX_DIGITS: Final = 10
_ESCAPING: Final = (
    "mod_cdr_csv escapes no quotes, so that nobody can tell where a value ends;"
    " mod_json_cdr and its err-log-dir (freeswitch-json) have no such limit"
)
# Our field -> the column, for errors that an operator can act upon.
SOURCES: Final = {
    "uid": "uuid",
    "caller.name": "caller_id_name",
    "caller.number": "caller_id_number",
    "dialed.number": "destination_number",
    "duration": "duration",
    "talk_duration": "billsec",
    "billed_duration": "billsec",
    "hangup_cause": "hangup_cause",
    "started_at": "start_stamp",
    "answered_at": "answer_stamp",
    "ended_at": "end_stamp",
}


class MasterCsv:
    """`freeswitch-csv`: one leg a line."""

    name: Final = "freeswitch-csv"
    pbx: Final = "freeswitch"
    head_records: Final = 0

    def cut(self, data: bytes, *, is_end: bool) -> tuple[list[bytes], int]:
        """A line is a row: quotes do not hold a line break."""
        return cut_lines(data, is_end=is_end)

    def read(
        self,
        records: Sequence[bytes],
        *,
        head: Sequence[bytes] = (),
        rules: SourceRules = PLAIN,
    ) -> list[Read | Undecodable]:
        """One leg a row, none of a blank line."""
        return [_read(record, rules) for record in records if record.strip()]


def _read(record: bytes, rules: SourceRules) -> Read | Undecodable:
    try:
        row = _row(record)
        return Read(_to_cdr(row, rules.zone), record, is_excerpt=True)
    except BadCdr as bad:
        return Undecodable(str(bad), record, bad.errors)


def _row(record: bytes) -> dict[str, str]:
    """The values by column, "" where there is none."""
    try:
        line = record.removeprefix(b"\xef\xbb\xbf").strip(b"\r\n").decode()
    except UnicodeDecodeError as error:
        raise _bad("row", f"not UTF-8 at byte {error.start}") from None
    values = line[1:-1].split('","')
    if len(line) < 2 or not line.startswith('"') or not line.endswith('"'):
        raise _bad("row", f"not a row of mod_cdr_csv's template example{_count(line)}")
    if any('"' in value for value in values) or len(values) > len(COLUMNS):
        raise _bad("row", f"{len(values)} columns, or a quote in one: {_ESCAPING}")
    if len(values) < len(COLUMNS):
        raise _bad(
            "row",
            f"{len(values)} columns, where mod_cdr_csv's template example has"
            f" {len(COLUMNS)}",
        )
    return dict(zip(COLUMNS, values, strict=True))


def _count(line: str) -> str:
    return " (a template of another name?)" if line.count(",") > 3 else ""


def _to_cdr(row: Mapping[str, str], zone: str) -> Cdr:
    if not row["uuid"]:
        raise _bad("uuid", "required")
    record = {
        "uid": safe_uid(row["uuid"]),
        **_timing(row, zone),
        **_outcome(row),
        "caller": _known(number=row["caller_id_number"], name=row["caller_id_name"]),
        "dialed": _known(number=row["destination_number"]),
    }
    extra = record.setdefault("extra", {})
    extra["freeswitch"] = _kept(row) | extra.get("freeswitch", {})
    try:
        return cdr_json.parse(record)
    except BadCdr as bad:
        raise BadCdr(
            *[FieldError(SOURCES.get(e.field, e.field), e.message) for e in bad.errors]
        ) from None


def _timing(row: Mapping[str, str], zone: str) -> dict[str, Any]:
    duration, talked = _whole(row, "duration"), _whole(row, "billsec")
    try:
        times = local_moments(
            row["start_stamp"],
            row["answer_stamp"],
            row["end_stamp"],
            zone,
            duration=duration,
        )
    except ValueError as error:
        raise _bad("start_stamp, answer_stamp, end_stamp", str(error)) from None
    moments = {
        "started_at": times.start,
        "answered_at": times.answer,
        "ended_at": times.end,
    }
    seconds = {"duration": duration, "talk_duration": talked, "billed_duration": talked}
    return {
        **{name: moment.isoformat() for name, moment in moments.items() if moment},
        **{name: value for name, value in seconds.items() if value is not None},
        **({"extra": {"freeswitch": {"clock": times.mark}}} if times.mark else {}),
    }


def _whole(row: Mapping[str, str], column: str) -> int | None:
    text = row[column]
    if not text:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > _MAX_DIGITS:
        raise _bad(column, "must be a whole number")
    return int(text)


def _outcome(row: Mapping[str, str]) -> dict[str, Any]:
    cause = row["hangup_cause"] or None
    answered, given_up = bool(row["answer_stamp"]), cause == "ORIGINATOR_CANCEL"
    told = {
        "disposition": disposition(cause, answered=answered, given_up=given_up),
        "hangup_cause": cause,
        "abandoned": abandoned(cause, answered=answered, given_up=given_up),
    }
    return {name: value for name, value in told.items() if value is not None}


def _kept(row: Mapping[str, str]) -> dict[str, str]:
    kept = {column: row[column] for column in KEPT}
    return _known(**kept, bridge_uuid=row["bleg_uuid"])


def _known(**values: str) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


def _bad(column: str, message: str) -> BadCdr:
    return BadCdr(FieldError(column, message))
