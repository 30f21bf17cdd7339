"""What docs/pbx.md gives to paste is what the admin gives to paste, and well-formed."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "pbx.md").read_text()
EXAMPLE = {
    "url": "https://cdr.example.com/ingest/freeswitch/acme/pbx1",
    "token": "TOKEN",
    "source": "pbx1",
}
# Each piece begins with its title.
PIECES = [
    piece.partition("\n")[2].strip()
    for name in ("freeswitch", "fusionpbx")
    for piece in (ROOT / "templates" / "connect" / f"{name}.txt")
    .read_text()
    .split("=== ")[1:]
]
FILES = [piece for piece in PIECES if piece.startswith("<")]


def filled_in(piece: str) -> str:
    return re.sub(r"{{ (\w+) }}", lambda name: EXAMPLE[name[1]], piece)


def settings_of(piece: str) -> dict[str, str]:
    params = ElementTree.fromstring(filled_in(piece)).iter("param")  # noqa: S314  our own
    return {param.get("name", ""): param.get("value", "") for param in params}


@pytest.mark.parametrize("piece", PIECES, ids=range(len(PIECES)))
def test_the_page_shows_what_the_admin_shows(piece):
    assert filled_in(piece) in PAGE


@pytest.mark.parametrize("piece", FILES, ids=range(len(FILES)))
def test_a_configuration_to_paste_is_safe(piece):
    settings = settings_of(piece)

    assert settings["encode"] in {"false", "textxml", "appljson"}
    assert settings.get("encode-values", "false") == "false"
    assert settings["enable-cacert-check"] == "true"
    assert settings["enable-ssl-verifyhost"] == "true"
    assert "queue-capacity" not in settings
    assert "cdrhook" in {settings.get("err-log-dir"), settings.get("log-dir")}
