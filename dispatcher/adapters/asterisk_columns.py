"""Asterisk's rows by column name: tables, AMI events, JSON, dialplan.

Each has names of its own for the same columns (cdr_manager: Source for src), and a
table may have more of them, or fewer, or others (cdr_adaptive_odbc: alias).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from dispatcher.adapters.asterisk_clock import clock_of
from dispatcher.adapters.asterisk_row import Row, cdr_of
from dispatcher.adapters.base import BadCdr, Read, Undecodable
from dispatcher.adapters.told import moment_text, row_json, text_of
from dispatcher.values import FieldError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dispatcher.values import Cdr, SourceRules

_FOREIGN: Final = re.compile(r"[^a-z0-9]")
_MOMENTS: Final = frozenset({"start", "answer", "end"})
# Without case, separators and CDR(...).
ALIASES: Final = {
    "account": "accountcode",
    "source": "src",
    "destination": "dst",
    "dest": "dst",
    "destinationcontext": "dcontext",
    "callerid": "clid",
    "sourcechannel": "channel",
    "destinationchannel": "dstchannel",
    "destchannel": "dstchannel",
    "lastapplication": "lastapp",
    "calldate": "start",
    "starttime": "start",
    "answertime": "answer",
    "endtime": "end",
    "billableseconds": "billsec",
    **{name: name for name in Row._fields},
}
# What an AMI event says of itself; the row's number in a table, which is the table's.
_NOT_THE_CALLS: Final = frozenset({"event", "privilege", "sequencenumber", "timestamp"})


class AsteriskRows:
    """Reads rows by column name, whatever they came from."""

    name: Final = "asterisk"
    columns: Final = ("start",)

    def missing(self, names: Iterable[str]) -> tuple[str, ...]:
        """Which of `columns` a table with those names has not got."""
        known = {_column(name) for name in names}
        return tuple(name for name in self.columns if name not in known)

    def read(self, row: Mapping[str, object], rules: SourceRules) -> Read | Undecodable:
        """The CDR that a row is; `raw` is the row as JSON. Raises nothing."""
        raw = row_json(row)
        try:
            return Read(read_columns(row, rules), raw)
        except BadCdr as bad:
            return Undecodable(str(bad), raw, bad.errors)


def read_columns(columns: Mapping[str, object], rules: SourceRules) -> Cdr:
    """The CDR that a row by column name is. Raises BadCdr."""
    known: dict[str, str] = {}
    more: dict[str, str] = {}
    for name, value in columns.items():
        column = _column(name)
        if column is not None:
            _put(known, column, value)
        elif name.lower() not in _NOT_THE_CALLS:
            # A name may be anything, too.
            own = text_of(name, "row")
            if text := text_of(value, own):
                more[own.lower()] = text
    if not known:
        raise BadCdr(FieldError("row", "has no column of Asterisk's CDRs"))
    return cdr_of(Row(**known), clock_of(rules.zone), more)


def _put(known: dict[str, str], column: str, value: object) -> None:
    """Of two names for one column the one counts that has a value."""
    told = moment_text if column in _MOMENTS else text_of
    known[column] = told(value, column) or known.get(column, "")


def _column(name: str) -> str | None:
    """Which column a name means; None: none of Asterisk's."""
    plain = _FOREIGN.sub("", name.lower())
    return ALIASES.get(plain) or ALIASES.get(plain.removeprefix("cdr"))
