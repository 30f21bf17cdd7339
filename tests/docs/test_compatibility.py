"""docs/compatibility.md stays true: complete rows, places and tests that there are."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from dispatcher.payloads.registry import STYLES
from tests.payloads.test_documented_samples import CDR_TABLE, CONTACT_TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "compatibility.md").read_text()

SECTIONS = {"Dimensions": "D", "Newfies": "N", "TheHUB": "H", "Webex Calling": "W"}
SILENT = "Decided where the documents are silent or contradict each other"
HEADER = ("no.", "statement", "where it lives", "test that shows it")
NOT_OURS = "*Not the sending side*"
NOTHING = "—"

# What the documents name, written out: no table of ours decides what is complete.
# A name stands here as often as a document explains it.
DIMENSIONS = (
    *("URL", "Request method", "Request format", "Additional payload data"),
    *("Retry attempts", "triggerId", "id", "tenantId", "cdr", "customData"),
    *("id", "dType", "sVer", "pbxId", "pbxName", "tz", "start", "answer", "end"),
    *("dur", "ring", "talk", "hold", "park", "lost", "lostinPark", "aban", "ans"),
    *("short", "cause", "dir", "type", "t2t"),
    *("cliNum", "cliName", "cliLoc", "cliArea", "cliState", "cliCtry"),
    *("ddiNum", "ddiName"),
    *map(
        "".join,
        product(
            ("fRng", "lRng", "ans", "lAns"), ("Dev", "Usr", "Agt"), ("Num", "Name")
        ),
    ),
    *("rteID", "rteName", "fRngGroupName", "lRngGroupName", "ansGroupName"),
    *("hasRec", "rate", "rateCost", "rateBand", "rateName"),
    *("recordingIds", "directoryMatches", "tags"),
    *("title", "fullName", "companyName", "jobTitle", "phone1", "phone4"),
    *("email", "crmId", "field1", "field10"),
)
NEWFIES = (
    *("client_id", "cdr_id", "callerid", "callrequest_id", "call_id", "campaign_id"),
    *("campaign_name", "leg_type", "phone_number", "list_phonebook_id"),
    *("list_phonebook_name", "gateway", "amd_status", "hangup_cause_code"),
    *("hangup_cause", "cost", "billed_duration", "incremental_duration", "call_date"),
    *("x-api-key", "/admin/webhook/webhookcdr/"),
)
THEHUB = (
    *("uniqueid", "start_time", "call_type", "caller_number", "dialed_number"),
    *("disposition", "duration", "recording_url"),
    *("type", "cdrs"),
    *("type", "cdrs", "uniqueid", "transcription", "summary"),
)
WEBEX = (
    *("Resource type", "GET /v1/partners/cdrcountbyorg", "startTime", "endTime"),
    *("cdr_counts", "orgId", "count"),
    *("num-pages", "total-orgs", "current-page", "page"),
    *("GET /v1/partners/cdrsbyorg", "orgId", "orgID", "startTime", "endTime"),
)
NAMES = {
    "Dimensions": DIMENSIONS,
    "Newfies": NEWFIES,
    "TheHUB": THEHUB,
    "Webex Calling": WEBEX,
}
# Words of the documents that no field has.
PHRASES = {
    "Dimensions": ("10 minutes", "10 seconds", "x 2 seconds", "AND", "0 to 10"),
    "Newfies": ("POST", "retries", "error"),
    "TheHUB": ("200 or 201", "Clio", "Auto Create Contact", "Chrome", "first user"),
    "Webex Calling": ("5 minutes", "48 hours", "60 minutes", "200", "Workspaces"),
}


class Row(NamedTuple):
    """One statement, as it stands in a table."""

    number: str
    statement: str
    where: str
    test: str


def cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.strip().strip("|").split("|"))


def sections() -> dict[str, str]:
    """The text under each heading of the second level."""
    parts = re.split(r"(?m)^## (.+)$", PAGE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def tables(text: str) -> list[tuple[str, ...]]:
    """The lines of its tables, headers among them, without the rulers."""
    lines = [cells(line) for line in text.splitlines() if line.startswith("|")]
    return [line for line in lines if set("".join(line)) != {"-"}]


def rows(section: str) -> list[Row]:
    return [Row(*line) for line in tables(sections()[section]) if line != HEADER]


ROWS = [row for section in SECTIONS for row in rows(section)]


def quoted(text: str) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`]+)`", text)


def named(column: str) -> list[str]:
    """Each `path` or `path::name` that a column of the page names, once."""
    return sorted({each for row in ROWS for each in quoted(getattr(row, column))})


# What a file defines --------------------------------------------------------------------


@lru_cache
def definitions(path: Path) -> frozenset[str]:
    """Functions, classes, their methods, and the names that a module assigns."""
    return frozenset(_defined(ast.parse(path.read_text()).body))


def _defined(body: list[ast.stmt], owner: str = "") -> Iterator[str]:
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield owner + node.name
            case ast.ClassDef():
                yield owner + node.name
                yield from _defined(node.body, f"{owner}{node.name}.")
            case ast.Assign(targets=[ast.Name(id=name)]):
                yield owner + name
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield owner + name
            case _:
                pass


# The page -------------------------------------------------------------------------------


def test_there_is_a_section_for_each_document_and_one_for_what_was_decided():
    assert [*sections()] == [*SECTIONS, SILENT]


def test_every_row_has_all_columns():
    lines = [line for section in SECTIONS for line in tables(sections()[section])]

    assert [line for line in lines if len(line) != len(HEADER) or "" in line] == []
    assert len(ROWS) > 150


def test_rows_are_numbered_through_in_their_section():
    for section, letter in SECTIONS.items():
        numbers = [row.number for row in rows(section)]

        assert numbers == [f"{letter}{n}" for n in range(1, len(numbers) + 1)]


def test_no_statement_stands_twice():
    counted = Counter(row.statement for row in ROWS)

    assert [statement for statement, count in counted.items() if count > 1] == []


def test_only_what_is_not_the_sending_side_has_no_place_and_no_test():
    without = [row for row in ROWS if NOTHING in (row.where, row.test)]

    assert without
    for row in without:
        assert (row.where, row.test) == (NOTHING, NOTHING), row.number
        assert NOT_OURS in row.statement, row.number


@pytest.mark.parametrize("place", named("where"))
def test_every_place_is_there(place):
    path, _, name = place.partition("::")

    assert (ROOT / path).is_file()
    assert not name or name in definitions(ROOT / path)


@pytest.mark.parametrize("test", named("test"))
def test_every_test_is_there(test):
    path, _, name = test.partition("::")

    assert path.startswith("tests/")
    assert name.startswith("test_")
    assert name in definitions(ROOT / path)


def test_columns_hold_names_and_nothing_else():
    for row in ROWS:
        for cell in (row.where, row.test):
            rest = re.sub(r"`[^`]+`", "", cell).replace("<br>", "").strip()
            assert rest in {"", NOTHING}, row.number


@pytest.mark.parametrize("module", quoted(sections()[SILENT]))
def test_a_module_that_decides_says_so_in_its_docstring(module):
    assert ast.get_docstring(ast.parse((ROOT / module).read_text()))


# Nothing is missing ---------------------------------------------------------------------


@pytest.mark.parametrize("section", SECTIONS)
def test_every_field_and_parameter_stands_in_its_section(section):
    words = [word for row in rows(section) for word in quoted(row.statement)]

    # Names that a document gives twice are counted twice.
    assert Counter(NAMES[section]) - Counter(words) == Counter()


@pytest.mark.parametrize(
    ("section", "phrase"),
    [(section, phrase) for section, all_ in PHRASES.items() for phrase in all_],
)
def test_every_rule_stands_in_its_section(section, phrase):
    assert phrase in " ".join(row.statement for row in rows(section))


def test_what_is_written_out_here_is_what_the_samples_are_held_to():
    assert set(CDR_TABLE) <= set(DIMENSIONS)
    assert {"title", "fullName", "email", "crmId"} <= set(CONTACT_TABLE)
    assert len(NEWFIES) == 19 + 2


def test_every_style_belongs_to_a_section():
    styles = {word for section in SECTIONS for word in quoted(sections()[section])}

    assert STYLES.keys() <= styles
