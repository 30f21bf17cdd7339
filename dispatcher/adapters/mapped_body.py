"""Takes what a source sent, or a file holds, apart into its records, as its plan says.

JSON documents, JSON lines, forms and CSV. Each piece keeps its own bytes, so that what
cannot be read goes back as it came. Makes no Cdr of anything.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from dispatcher.adapters.cutting import cut_lines, cut_quoted_lines
from dispatcher.adapters.json_records import Slice, document, records
from dispatcher.adapters.mapped_record import Document, Row
from dispatcher.adapters.mapping import CsvForm, Plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dispatcher.adapters.mapped_record import Record

BOM: Final = b"\xef\xbb\xbf"
MAX_RECORDS: Final = 1000
MAX_FORM_FIELDS: Final = 1000
MAX_COLUMNS: Final = 1000
FORM_TYPE: Final = "application/x-www-form-urlencoded"
# How cdrhook's own form is taken apart.
OWN: Final = Plan(body="json")
JSON, CSV, FORM = "json", "csv", "form"

_NO_BLANKS: Final = re.compile(rb"[^\s=&]+=\S*")


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes, and the record that they are; without one, `reason` says why not."""

    raw: bytes
    record: Record | None = None
    reason: str = ""


class Unreadable(ValueError):  # noqa: N818  the house's way to say it
    """Nothing of the bytes can be read; its text says why, to an administrator."""


def pieces_of(body: bytes, plan: Plan, content_type: str = "") -> list[Piece]:
    """The records of a request's body, in order. Raises Unreadable."""
    content = body.removeprefix(BOM).strip()
    if not content:
        raise Unreadable("empty")
    kind = _kind(content, plan, content_type)
    if kind == FORM:
        return _form_pieces(body, plan)
    pieces = _json_pieces(body, plan) if kind == JSON else _csv_pieces(body, plan)
    if not pieces:
        raise Unreadable("it holds no record")
    return pieces


def _kind(content: bytes, plan: Plan, content_type: str) -> str:
    """What the bytes are: Content-Type is often wrong, so that the bytes go first."""
    if plan.body != "auto":
        return plan.body
    if content[:1] in (b"{", b"["):
        return JSON
    is_form = b"&" in content or content_type.startswith(FORM_TYPE)
    if plan.csv is None and is_form and _NO_BLANKS.fullmatch(content):
        return FORM
    return CSV


def _limited(count: int) -> None:
    if count > MAX_RECORDS:
        raise Unreadable(f"it holds more than {MAX_RECORDS} records")


# JSON -------------------------------------------------------------------------------


def _json_pieces(body: bytes, plan: Plan) -> list[Piece]:
    text = _utf8(body)
    try:
        whole = document(text)
    except ValueError as error:
        lines = cut_lines(body, is_end=True)[0]
        if len(lines) > 1 and json_piece(lines[0]).record is not None:
            _limited(len(lines))
            return [json_piece(line) for line in lines if line.strip()]
        raise Unreadable(f"not valid JSON: {error}") from None
    return _document_pieces(body, text, whole, plan)


def document_pieces(body: bytes, plan: Plan) -> list[Piece]:
    """The records of a file that is one document, however many. Raises Unreadable."""
    text = _utf8(body)
    try:
        whole = document(text)
    except ValueError as error:
        raise Unreadable(f"not valid JSON: {error}") from None
    return _document_pieces(body, text, whole, plan, is_limited=False)


def _document_pieces(
    body: bytes, text: str, whole: Slice, plan: Plan, *, is_limited: bool = True
) -> list[Piece]:
    found = records(text, whole, plan.records)
    if found is None:
        # What was quarantined by itself comes without the document around it.
        found = [whole]
    if is_limited:
        _limited(len(found))
    if len(found) == 1:
        return [_object_piece(found[0].value, body)]
    return [
        _object_piece(one.value, text[one.start : one.end].encode()) for one in found
    ]


def _object_piece(value: Any, raw: bytes) -> Piece:
    if not isinstance(value, dict):
        return Piece(raw, reason="a record must be an object")
    return Piece(raw, Document(value))


def json_piece(line: bytes) -> Piece:
    """One line that is an object of JSON."""
    try:
        return _object_piece(document(_utf8(line)).value, line)
    except ValueError as error:
        return Piece(line, reason=f"not valid JSON: {error}")


def _utf8(body: bytes) -> str:
    try:
        return body.removeprefix(BOM).decode()
    except UnicodeDecodeError as error:
        raise Unreadable(f"not UTF-8: {error.reason} at byte {error.start}") from None


# Forms ------------------------------------------------------------------------------


def _form_pieces(body: bytes, plan: Plan) -> list[Piece]:
    """One record; or, where the plan says in which field, the JSON in it."""
    form = _form(body)
    if plan.records in form:
        text = form[plan.records]
        try:
            whole = document(text)
        except ValueError as error:
            told = f"{plan.records} does not hold valid JSON: {error}"
            raise Unreadable(told) from None
        values = [one.value for one in records(text, whole) or [whole]]
        _limited(len(values))
        if len(values) == 1:
            return [_object_piece(values[0], body)]
        return [
            _object_piece(one.value, text[one.start : one.end].encode())
            for one in records(text, whole) or []
        ]
    return [Piece(body, Document(dict(form)))]


def _form(body: bytes) -> dict[str, str]:
    """The fields by name; of one that is there twice the second is NAME[2]."""
    try:
        pairs = parse_qsl(
            _utf8(body).strip(),
            keep_blank_values=True,
            max_num_fields=MAX_FORM_FIELDS,
            errors="strict",
        )
    except ValueError as error:
        raise Unreadable(f"not a form: {error}") from None
    form: dict[str, str] = {}
    times: dict[str, int] = {}
    for name, value in pairs:
        times[name] = times.get(name, 0) + 1
        form[name if times[name] == 1 else f"{name}[{times[name]}]"] = value
    return form


# CSV --------------------------------------------------------------------------------


def _csv_pieces(body: bytes, plan: Plan) -> list[Piece]:
    form = plan.csv or CsvForm()
    rows, _ = cut(body, form, is_end=True)
    first = form.head_records
    _limited(len(rows) - first)
    return csv_pieces(rows[first:], rows[:first], plan, form)


def cut(data: bytes, form: CsvForm, *, is_end: bool) -> tuple[list[bytes], int]:
    """The rows at the beginning of `data`, as FileFormat.cut has it."""
    return (cut_quoted_lines if form.quote else cut_lines)(data, is_end=is_end)


def csv_pieces(
    rows: Sequence[bytes], head: Sequence[bytes], plan: Plan, form: CsvForm
) -> list[Piece]:
    """A piece a row; rows that are empty, or the header once more, are none."""
    names = _names(head, plan, form)
    header = _header(head, form)
    return [
        _row_piece(row, names, form)
        for row in rows
        if row.strip() and (not header or row.strip() != header)
    ]


def _header(head: Sequence[bytes], form: CsvForm) -> bytes:
    there = form.header and len(head) > form.skip_lines
    return head[form.skip_lines].removeprefix(BOM).strip() if there else b""


def _names(head: Sequence[bytes], plan: Plan, form: CsvForm) -> tuple[str, ...]:
    """The names of the columns: those that are given, else the header's.

    Spelled as the mapping has them, should only small and capital letters differ.
    """
    if form.columns:
        return form.columns
    try:
        header = _cells(_header(head, form), form)
    except Unreadable:
        return ()
    known = {name.casefold(): name for name in plan.theirs}
    names: list[str] = []
    for place, cell in enumerate(header):
        name = cell.strip() or f"#{place + 1}"
        name = name if name in plan.theirs else known.get(name.casefold(), name)
        # Of two of the same name the second one is asked for by its place.
        names.append(f"#{place + 1}" if name in names else name)
    return tuple(names)


def _row_piece(row: bytes, names: tuple[str, ...], form: CsvForm) -> Piece:
    try:
        return Piece(row, Row(names, _cells(row, form)))
    except Unreadable as error:
        return Piece(row, reason=str(error))


def _cells(row: bytes, form: CsvForm) -> list[str]:
    try:
        text = row.removeprefix(BOM).decode(form.encoding).rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise Unreadable(f"not {form.encoding}: {error.reason}") from None
    if text.count(form.delimiter) > MAX_COLUMNS:
        raise Unreadable(f"more than {MAX_COLUMNS} columns")
    reader = csv.reader(
        [text],
        delimiter=form.delimiter,
        quoting=csv.QUOTE_MINIMAL if form.quote else csv.QUOTE_NONE,
    )
    try:
        return next(reader, [])
    except csv.Error as error:
        raise Unreadable(f"not CSV: {error}") from None
