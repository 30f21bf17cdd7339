"""Files of what a PBX's API answered: JSON documents, or such a document a line.

Read as what is posted is, so that a call gives the same record from a file and from the
wire. A file is one document, and nothing of it is read before its end; a file of one a
line (pages fetched one after another) too, for only its end tells which it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dispatcher.adapters.base import PLAIN
from dispatcher.adapters.cutting import cut_document
from dispatcher.adapters.json_items import BOM, loads, read_records

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from dispatcher.adapters.base import Read, Undecodable
    from dispatcher.adapters.json_items import Record
    from dispatcher.values import SourceRules

# More than a document has that may be read at all.
MAX_RECORDS: Final = 10_000_000


class JsonFile:
    """`import_cdrs --format {name}` for an adapter that reads JSON.

    `to_calls` turns one record into calls, and may raise BadCdr; `lists` as json_items
    has it.
    """

    head_records: Final = 0

    def __init__(
        self,
        name: str,
        to_calls: Callable[[Record, SourceRules], Sequence[Read]],
        *,
        lists: Collection[str],
    ) -> None:
        self.name = self.pbx = name
        self._to_calls = to_calls
        self._lists = lists

    def cut(self, data: bytes, *, is_end: bool) -> tuple[list[bytes], int]:
        """The whole file, at its end."""
        return cut_document(data, is_end=is_end)

    def read(
        self,
        records: Sequence[bytes],
        *,
        head: Sequence[bytes] = (),
        rules: SourceRules = PLAIN,
    ) -> list[Read | Undecodable]:
        """The calls of each document, in order."""
        documents = [one for record in records for one in _documents(record)]
        return [item for one in documents for item in self._read(one, rules)]

    def _read(self, document: bytes, rules: SourceRules) -> list[Read | Undecodable]:
        return read_records(
            document,
            lambda record: self._to_calls(record, rules),
            lists=self._lists,
            most=MAX_RECORDS,
        )


def _documents(file: bytes) -> list[bytes]:
    """The lines of a file whose first one is a document, else the file; no blank ones."""
    lines = [line for line in file.split(b"\n") if line.strip()]
    if len(lines) > 1 and _is_whole(lines[0]):
        return lines
    return [file] if lines else []


def _is_whole(line: bytes) -> bool:
    try:
        loads(line.removeprefix(BOM).decode())
    except (ValueError, RecursionError):
        return False
    return True
