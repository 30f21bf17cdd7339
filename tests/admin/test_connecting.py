"""How each kind of PBX is connected: every kind has a text, and what it says is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dispatcher.adapters import kinds
from dispatcher.adapters.formats import FORMATS
from dispatcher.adapters.registry import ADAPTERS
from dispatcher.admin.connecting import pieces

FOLDER = Path(__file__).parents[2] / "templates" / "connect"
TEXTS = sorted(path.stem for path in FOLDER.glob("*.txt"))
URL = "https://cdr.example/ingest/x/acme/switch-1"


def text_of(name: str, token: str = "cdr_secret") -> str:  # noqa: S107
    found = pieces(name, url=URL, token=token, tenant="acme", source="switch-1")
    return "\n".join(piece.text for piece in found)


@pytest.mark.parametrize(
    "name", sorted({*ADAPTERS, *(f.pbx for f in FORMATS.values())})
)
def test_every_kind_of_pbx_has_a_text(name: str) -> None:
    assert text_of(name), f"write templates/connect/{name}.txt"


@pytest.mark.parametrize("name", sorted(ADAPTERS))
def test_what_pushes_is_told_url_and_token(name: str) -> None:
    text = text_of(name)

    assert URL.removeprefix("https://") in text
    assert "cdr_secret" in text


@pytest.mark.parametrize("name", TEXTS)
def test_nothing_is_left_to_be_filled_in(name: str) -> None:
    text = text_of(name)

    assert "{{" not in text
    assert "{%" not in text


@pytest.mark.parametrize("name", TEXTS)
def test_files_are_imported_by_the_settings_of_the_source(name: str) -> None:
    imports = re.findall("cdrhook import_cdrs .*", text_of(name))

    assert all("--source switch-1" in line for line in imports)


def test_the_token_can_stand_in_the_url() -> None:
    assert "https://cdrhook:cdr_secret@cdr.example/ingest/x/acme/switch-1" in text_of(
        "kazoo"
    )


def test_a_line_begins_another_text_to_paste() -> None:
    titles = [
        piece.title
        for piece in pieces("webex", url=URL, token="t", tenant="a", source="s")
    ]

    assert titles[0].startswith("A small poller")
    assert len(titles) == 3


def test_a_kind_that_nobody_wrote_of_has_none() -> None:
    assert pieces("nothing", url=URL, token="t", tenant="a", source="s") == []


def test_every_kind_has_a_name_for_people() -> None:
    assert kinds.kinds().keys() >= ADAPTERS.keys()
    assert kinds.title("3cx") == "3CX"
