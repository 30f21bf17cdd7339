"""One document, rendered as FreeSWITCH renders it: as JSON and as XML (switch_ivr.c)."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

ARRAY: Final = "ARRAY::"
HEADER: Final = '<?xml version="1.0"?>\n'


def as_xml(document: dict[str, Any]) -> bytes:
    """The XML of a document; the texts of its variables are percent-encoded."""
    top = "".join(
        f" {name}={quoteattr(document[name])}" for name in ("core-uuid", "switchname")
    )
    sections = (
        _element("channel_data", _texts(document["channel_data"])),
        "<call-stats></call-stats>",
        _element("variables", _variables(document["variables"])),
        *(_flow(flow) for flow in document["callflow"]),
    )
    return f"{HEADER}<cdr{top}>\n{''.join(sections)}</cdr>\n".encode()


def _variables(variables: dict[str, str]) -> str:
    pairs = [
        (name, value)
        for name, text in variables.items()
        for value in text.removeprefix(ARRAY).split("|:" if ARRAY in text else "\0")
    ]
    return "".join(f"    <{name}>{quote(value)}</{name}>\n" for name, value in pairs)


def _flow(flow: dict[str, Any]) -> str:
    profile = dict(flow["caller_profile"])
    originator = "<originator></originator>" if profile.pop("originator", None) else ""
    return _element(
        "callflow", _element("caller_profile", _texts(profile) + originator)
    )


def _texts(texts: dict[str, str]) -> str:
    return "".join(
        f"    <{name}>{_characters(text)}</{name}>\n" for name, text in texts.items()
    )


def _characters(text: str) -> str:
    """As FreeSWITCH does, what is not ASCII becomes a reference."""
    return escape(text).encode("ascii", "xmlcharrefreplace").decode()


def _element(name: str, inner: str) -> str:
    return f"  <{name}>\n{inner}  </{name}>\n"
