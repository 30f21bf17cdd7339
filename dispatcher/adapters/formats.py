"""Which file formats there are: one line each. Knows nothing else about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dispatcher.adapters import grandstream, webex
from dispatcher.adapters.asterisk_csv import AsteriskCsv
from dispatcher.adapters.asterisk_lines import AsteriskJson
from dispatcher.adapters.base import PLAIN, MappedFormat
from dispatcher.adapters.freeswitch_csv import MasterCsv
from dispatcher.adapters.freeswitch_files import Documents
from dispatcher.adapters.generic_file import MappedFile
from dispatcher.adapters.json_or_csv_file import JsonOrCsvFile
from dispatcher.adapters.kamailio_csv import KamailioCsv

if TYPE_CHECKING:
    from dispatcher.adapters.base import FileFormat
    from dispatcher.values import SourceRules

FORMATS: Final[dict[str, FileFormat]] = {
    "freeswitch-csv": MasterCsv(),
    "freeswitch-json": Documents("freeswitch-json"),
    "freeswitch-xml": Documents("freeswitch-xml"),
    "3cx": MappedFile("3cx", "3cx", preset="3cx"),
    "cucm": MappedFile("cucm", "cucm", preset="cucm"),
    "generic": MappedFile("generic", "generic"),
    "asterisk-csv": AsteriskCsv(),
    "asterisk-json": AsteriskJson(),
    "kamailio": KamailioCsv(),
    "grandstream": JsonOrCsvFile(
        "grandstream", grandstream.to_legs, lists=grandstream.LISTS
    ),
    "webex": JsonOrCsvFile("webex", webex.to_legs, lists=webex.LISTS),
}


def file_format(name: str, rules: SourceRules = PLAIN) -> FileFormat | None:
    """The format that `import_cdrs --format` asks for, or None if there is none.

    `rules` are those of the source that the file is of: by its mapping a format may be
    cut in another way, and have another head.
    """
    found = FORMATS.get(name)
    return found.under(rules) if isinstance(found, MappedFormat) else found
