"""Which file formats there are: one line each. Knows nothing else about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dispatcher.adapters.base import FileFormat

FORMATS: Final[dict[str, FileFormat]] = {}


def file_format(name: str) -> FileFormat | None:
    """The format that `import_cdrs --format` asks for, or None if there is none."""
    return FORMATS.get(name)
