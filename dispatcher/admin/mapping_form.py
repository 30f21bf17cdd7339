"""A mapping as the fields of a form, and back: a row for each rule.

Words, and values that mean unknown, are lines of a row's last column. Judges nothing
but what a form alone can have wrong (adapters.mapping judges mappings).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from dispatcher.adapters.cdr_paths import kind_of
from dispatcher.adapters.mapping import CsvForm
from dispatcher.adapters.mapping_conversions import CONVERSIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from django.http import QueryDict

    from dispatcher.values import FieldError

CONSTANT: Final = "constant"
ANYTHING_ELSE: Final = "*"
BETWEEN: Final = " | "
MAX_ROWS: Final = 400
NEW_ROWS: Final = 4
# A separator that a browser would cut off, or that would not be seen.
JOINS: Final = {
    "": "first known",
    " ": "joined, space",
    **{sign: f"joined {sign}" for sign in ("-", "_", ":", ".", "/", "T")},
}
TABS: Final = {"\t": "tab"}


@dataclass(slots=True)
class Row:
    """One rule, as text."""

    ours: str = ""
    theirs: str = ""
    join: str = ""
    how: str = ""
    details: str = ""
    errors: list[str] = field(default_factory=list)

    @property
    def lines(self) -> int:
        """How many lines its details have."""
        return self.details.count("\n") + 1

    @property
    def joins(self) -> list[tuple[str, str]]:
        """How several fields may become one, with what this row has."""
        known = JOINS if self.join in JOINS else {**JOINS, self.join: self.join}
        return list(known.items())


# Of a mapping -----------------------------------------------------------------------


def rows_of(mapping: Mapping[str, Any]) -> list[Row]:
    """A row for each rule, those of one field behind each other."""
    rows = []
    for ours, rules in (mapping.get("fields") or {}).items():
        for rule in rules if isinstance(rules, list) else [rules]:
            if rule is not None:
                rows.append(
                    _row(ours, {"from": rule} if isinstance(rule, str) else rule)
                )
    return rows


def _row(ours: str, rule: Mapping[str, Any]) -> Row:
    if "value" in rule:
        return Row(ours=ours, how=CONSTANT, details=_shown(rule["value"]))
    theirs = rule.get("from", [])
    return Row(
        ours=ours,
        theirs=theirs if isinstance(theirs, str) else BETWEEN.join(theirs),
        join=rule.get("join", ""),
        how=rule.get("as", ""),
        details="\n".join(_details(rule)),
    )


def _details(rule: Mapping[str, Any]) -> Iterator[str]:
    if "format" in rule:
        yield rule["format"]
    if "zone" in rule:
        yield f"zone = {rule['zone']}"
    for word in rule.get("unknown", ()):
        yield f"{word} ="
    for word, ours in rule.get("words", {}).items():
        yield f"{word} = {_shown(ours)}".strip()
    if "default" in rule:
        yield f"{ANYTHING_ELSE} = {_shown(rule['default'])}".strip()


def _shown(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def settings_of(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """What is not a rule, as the form shows it."""
    csv = CsvForm(**mapping.get("csv", {}))
    return {
        "body": mapping.get("body", "auto" if "csv" not in mapping else "csv"),
        "records": mapping.get("records", ""),
        "unknown": BETWEEN.join(mapping.get("unknown", ())),
        "only": "\n".join(
            f"{name} = {BETWEEN.join(texts)}"
            for name, texts in mapping.get("only", {}).items()
        ),
        "encoding": csv.encoding,
        "delimiter": TABS.get(csv.delimiter, csv.delimiter),
        "quote": csv.quote,
        "header": csv.header,
        "skip_lines": csv.skip_lines,
        "skip_after_header": csv.skip_after_header,
        "columns": "\n".join(csv.columns),
    }


# Of a form --------------------------------------------------------------------------


def form_rows(data: QueryDict) -> list[Row]:
    """The rows of a form, without those that say nothing."""
    columns = [
        data.getlist(name)[:MAX_ROWS]
        for name in ("ours", "theirs", "join", "how", "details")
    ]
    rows = []
    for ours, theirs, join, how, details in zip(*columns, strict=False):
        text = details.replace("\r\n", "\n").strip("\n ")
        row = Row(ours.strip(), theirs.strip(), join, how, text)
        if row.ours or row.theirs or row.details:
            rows.append(row)
    return rows


def mapping_of(data: QueryDict, rows: Sequence[Row]) -> dict[str, Any]:
    """The mapping that a form says; {} where nothing is mapped."""
    if not rows:
        return {}
    body = data.get("body", "auto")
    mapping: dict[str, Any] = {"body": body} if body != "auto" else {}
    if records := data.get("records", "").strip():
        mapping["records"] = records
    if unknown := _several(data.get("unknown", "")):
        mapping["unknown"] = unknown
    if only := dict(_only(data.get("only", ""))):
        mapping["only"] = only
    if body == "csv":
        mapping["csv"] = _csv(data)
    return {**mapping, "fields": _fields(rows)}


def _several(text: str) -> list[str]:
    return [part.strip() for part in text.split("|") if part.strip()]


def _only(text: str) -> Iterator[tuple[str, list[str]]]:
    for line in text.splitlines():
        if line.strip():
            name, _, texts = line.partition("=")
            yield name.strip(), _several(texts)


def _csv(data: QueryDict) -> dict[str, Any]:
    delimiter = data.get("delimiter", ",")
    named = {name: sign for sign, name in TABS.items()}
    columns = [line.strip() for line in data.get("columns", "").splitlines()]
    return {
        "encoding": data.get("encoding", "utf-8"),
        "delimiter": named.get(delimiter, delimiter),
        "quote": data.get("quote", '"'),
        "header": "header" in data,
        "skip_lines": _whole(data.get("skip_lines", "0")),
        "skip_after_header": _whole(data.get("skip_after_header", "0")),
        "columns": [column for column in columns if column],
    }


def _whole(text: str) -> Any:
    """A number; what is none stays text, for the judge to refuse."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else text


def _fields(rows: Iterable[Row]) -> dict[str, Any]:
    fields: dict[str, list[Any]] = {}
    for row in rows:
        fields.setdefault(row.ours, []).append(_rule(row))
    return {ours: one[0] if len(one) == 1 else one for ours, one in fields.items()}


def _rule(row: Row) -> Any:
    if row.how == CONSTANT:
        return {"value": _ours(row.ours, row.details)}
    theirs = _several(row.theirs)
    rule: dict[str, Any] = {"from": theirs[0] if len(theirs) == 1 else theirs}
    if row.how:
        rule["as"] = row.how
    if row.join:
        rule["join"] = row.join
    rule |= _said(row)
    return theirs[0] if rule == {"from": theirs[:1][0] if theirs else None} else rule


def _said(row: Row) -> dict[str, Any]:
    """What the lines of its details mean."""
    takes = CONVERSIONS[row.how].takes if row.how in CONVERSIONS else ""
    said: dict[str, Any] = {}
    for line in filter(None, map(str.strip, row.details.splitlines())):
        word, equals, ours = (part.strip() for part in line.rpartition("="))
        if not equals or (takes == "format" and ours and word != "zone"):
            said["format" if takes == "format" else line] = line
        elif takes == "words" and word == ANYTHING_ELSE:
            said["default"] = _ours(row.ours, ours)
        elif not ours:
            said.setdefault("unknown", []).append(word)
        elif takes == "words":
            said.setdefault("words", {})[word] = _ours(row.ours, ours)
        else:
            # `zone`, or what the judge does not know.
            said[word] = ours
    return said


def _ours(path: str, text: str) -> Any:
    """A value of ours that was written down, of the kind that its field has."""
    kind = kind_of(path)
    if text == "":
        return None
    if kind == "flag" and text in ("true", "false"):
        return text == "true"
    return _whole(text) if kind in ("whole", "duration") else text


def placed(rows: Sequence[Row], errors: Iterable[FieldError]) -> list[FieldError]:
    """Puts each error to its row; returns those of none, and of fields not there."""
    left = []
    for error in errors:
        row = _row_of(rows, error.field)
        if row is None:
            left.append(error)
        else:
            where = error.field.removeprefix(f"fields.{row.ours}").strip(".")
            row.errors.append(f"{where}: {error.message}" if where else error.message)
    return left


def _row_of(rows: Sequence[Row], path: str) -> Row | None:
    found = [row for row in rows if f"{path}.".startswith(f"fields.{row.ours}.")]
    longest = max((len(row.ours) for row in found), default=0)
    same = [row for row in found if len(row.ours) == longest]
    if len(same) < 2:
        return same[0] if same else None
    place = path.removeprefix(f"fields.{same[0].ours}.").partition(".")[0]
    return same[int(place)] if place.isdecimal() and int(place) < len(same) else same[0]
