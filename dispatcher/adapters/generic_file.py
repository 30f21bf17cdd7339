"""Files that are read by a mapping: a source's, or a preset's.

CSV, JSON lines, or one JSON document a file; without a mapping cdrhook's own JSON, a
record a line. Knows no PBX: what a preset is made of is data (adapters.mapping_presets).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dispatcher.adapters.base import PLAIN, BadCdr, Read, Undecodable
from dispatcher.adapters.cutting import cut_document, cut_lines
from dispatcher.adapters.mapped_body import (
    CSV,
    JSON,
    OWN,
    Piece,
    Unreadable,
    csv_pieces,
    cut,
    document_pieces,
    json_piece,
)
from dispatcher.adapters.mapped_reading import NOT_WANTED, item_of
from dispatcher.adapters.mapping import CsvForm, Plan, plan_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dispatcher.values import SourceRules


@dataclass(frozen=True)
class MappedFile:
    """A kind of file, by what a source's mapping says; `preset` says the rest."""

    name: str
    pbx: str
    preset: str = ""
    mapping: Mapping[str, Any] = field(default_factory=dict)

    def under(self, rules: SourceRules) -> MappedFile:
        """As it is in files of a source with these rules."""
        return replace(self, mapping=rules.mapping)

    @property
    def head_records(self) -> int:
        """Of CSV: what is skipped, and the header."""
        return self._form.head_records if self._form is not None else 0

    def cut(self, data: bytes, *, is_end: bool) -> tuple[list[bytes], int]:
        """Rows of CSV, lines, or the whole file where its list has a path."""
        if self._form is not None:
            return cut(data, self._form, is_end=is_end)
        return (cut_document if self._is_document else cut_lines)(data, is_end=is_end)

    def read(
        self,
        records: Sequence[bytes],
        *,
        head: Sequence[bytes] = (),
        rules: SourceRules = PLAIN,
    ) -> list[Read | Undecodable]:
        """Records of a kind that the mapping does not take give none."""
        own = self if rules.mapping == self.mapping else self.under(rules)
        return own._read(records, head, rules.zone)

    def _read(
        self, records: Sequence[bytes], head: Sequence[bytes], zone: str
    ) -> list[Read | Undecodable]:
        if isinstance(self._planned, BadCdr):
            told = f"the source's mapping is not right: {self._planned}"
            return [Undecodable(told, raw, self._planned.errors) for raw in records]
        plan = self._planned
        items = [item_of(piece, plan, zone) for piece in self._pieces(records, head)]
        return [
            item
            for item in items
            if isinstance(item, Read) or item.reason != NOT_WANTED
        ]

    def _pieces(self, records: Sequence[bytes], head: Sequence[bytes]) -> list[Piece]:
        if self._form is not None:
            return csv_pieces(records, head, self._plan, self._form)
        if self._is_document:
            return [piece for one in records for piece in self._of_document(one)]
        return [json_piece(line) for line in records if line.strip()]

    def _of_document(self, raw: bytes) -> list[Piece]:
        try:
            return document_pieces(raw, self._plan)
        except Unreadable as error:
            return [Piece(raw, reason=str(error))]

    @cached_property
    def _planned(self) -> Plan | BadCdr | None:
        try:
            return plan_of(self.mapping, preset=self.preset)
        except BadCdr as bad:
            return bad

    @property
    def _plan(self) -> Plan:
        return self._planned if isinstance(self._planned, Plan) else OWN

    @cached_property
    def _form(self) -> CsvForm | None:
        """How the CSV is written; None where the file is none."""
        plan = self._plan
        is_csv = plan.body == CSV or (plan.body != JSON and plan.csv is not None)
        return (plan.csv or CsvForm()) if is_csv else None

    @property
    def _is_document(self) -> bool:
        return bool(self._plan.records)
