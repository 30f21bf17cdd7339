"""Exports of what a PBX also pushes: JSON as its API answers it, or CSV with names.

The names of the columns are those of the fields, and each row is read as a record that
was posted, so that a call gives the same record either way. Knows no PBX.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Final

from dispatcher.adapters.base import PLAIN, BadCdr, Undecodable
from dispatcher.adapters.cutting import cut_quoted_lines
from dispatcher.adapters.json_file import JsonFile
from dispatcher.adapters.json_items import BOM, Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dispatcher.adapters.base import Read
    from dispatcher.values import SourceRules

MAX_COLUMNS: Final = 1000
_NEITHER: Final = "neither JSON nor CSV with a line of names and records"


class JsonOrCsvFile(JsonFile):
    """A file of one or the other: its first character tells."""

    def read(
        self,
        records: Sequence[bytes],
        *,
        head: Sequence[bytes] = (),
        rules: SourceRules = PLAIN,
    ) -> list[Read | Undecodable]:
        """The calls of each file, in order; blank ones have none."""
        items: list[Read | Undecodable] = []
        for file in records:
            content = file.removeprefix(BOM).lstrip()
            if content[:1] in (b"{", b"[", b""):
                items += super().read([file], rules=rules)
            else:
                items += self._rows(file, rules)
        return items

    def _rows(self, file: bytes, rules: SourceRules) -> list[Read | Undecodable]:
        rows, _ = cut_quoted_lines(file, is_end=True)
        try:
            names = [name.strip() for name in _cells(rows[0].removeprefix(BOM))]
        except ValueError:
            names = []
        if not names or len(rows) < 2:
            return [Undecodable(_NEITHER, file)]
        read = (self._row(row, names, rules) for row in rows[1:] if row.strip())
        return [item for items in read for item in items]

    def _row(
        self, row: bytes, names: list[str], rules: SourceRules
    ) -> Sequence[Read | Undecodable]:
        try:
            value = dict(zip(names, _cells(row), strict=False))
            return self._to_calls(Record(value, row), rules)
        except BadCdr as bad:
            return [Undecodable(str(bad), row, bad.errors)]
        except ValueError as error:
            return [Undecodable(str(error), row)]


def _cells(row: bytes) -> list[str]:
    """Raises ValueError, which says why not."""
    try:
        text = row.decode().rstrip("\r\n")
        if text.count(",") > MAX_COLUMNS:
            raise ValueError(f"more than {MAX_COLUMNS} columns")
        return next(csv.reader([text]), [])
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: {error.reason}") from None
    except csv.Error as error:
        raise ValueError(f"not CSV: {error}") from None
