"""The file format `asterisk-json`: cdr_custom's JSON, a row a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dispatcher.adapters.asterisk_json import read_json
from dispatcher.adapters.base import PLAIN, Read, Undecodable
from dispatcher.adapters.cutting import cut_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dispatcher.values import SourceRules


class AsteriskJson:
    """The format `asterisk-json`."""

    name: Final = "asterisk-json"
    pbx: Final = "asterisk"
    head_records: Final = 0

    def cut(self, data: bytes, *, is_end: bool) -> tuple[list[bytes], int]:
        """A line is a record: cdr_custom leaves no line breaks in a row."""
        return cut_lines(data, is_end=is_end)

    def read(
        self,
        records: Sequence[bytes],
        *,
        head: Sequence[bytes] = (),
        rules: SourceRules = PLAIN,
    ) -> list[Read | Undecodable]:
        """One call a line; none of an empty one. Raises nothing."""
        return [read_json(record, rules) for record in records if record.strip()]
