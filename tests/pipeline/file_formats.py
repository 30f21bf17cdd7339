"""File formats for tests of what reads files: a line a call, with and without a head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from dispatcher.adapters.base import PLAIN, Read, Undecodable
from dispatcher.adapters.cutting import cut_document, cut_lines
from dispatcher.adapters.formats import FORMATS
from tests.pipeline.conftest import call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dispatcher.values import SourceRules


class Lines:
    """A line is the uid of a call; with a `!` it is none."""

    name: str = "test-lines"
    pbx: str = "test"
    head_records: int = 0

    def cut(self, data: bytes, *, is_end: bool) -> tuple[list[bytes], int]:
        """By line."""
        return cut_lines(data, is_end=is_end)

    def read(
        self,
        records: Sequence[bytes],
        *,
        head: Sequence[bytes] = (),
        rules: SourceRules = PLAIN,
    ) -> list[Read | Undecodable]:
        """Empty lines give nothing."""
        assert len(head) == self.head_records
        prefix = b"".join(head).decode().strip()
        return [_item(record, prefix) for record in records if record.strip()]


def _item(record: bytes, prefix: str) -> Read | Undecodable:
    if b"!" in record or len(record) > 200:
        return Undecodable("is no call", record)
    return Read(call(prefix + record.decode().strip()), record)


class Headed(Lines):
    """The first line is what all uids begin with."""

    name = "test-headed"
    head_records = 1


class Document(Lines):
    """A file of uids which only its end completes."""

    name = "test-document"

    def cut(self, data: bytes, *, is_end: bool) -> tuple[list[bytes], int]:
        """The whole file."""
        return cut_document(data, is_end=is_end)

    def read(
        self,
        records: Sequence[bytes],
        *,
        head: Sequence[bytes] = (),
        rules: SourceRules = PLAIN,
    ) -> list[Read | Undecodable]:
        """One a line."""
        lines = [line for record in records for line in record.splitlines()]
        return super().read(lines, head=head, rules=rules)


OF_TESTS: Final = (Lines(), Headed(), Document())


@pytest.fixture
def line_formats(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are in the registry."""
    for one in OF_TESTS:
        monkeypatch.setitem(FORMATS, one.name, one)
