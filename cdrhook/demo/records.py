"""The calls of the demo: records that a real FreeSWITCH sent, made fresh.

Each gets new uuids, another caller and times as if the call had just ended; everything
else stays as FreeSWITCH wrote it, byte for byte. Sends nothing.
"""

from __future__ import annotations

import base64
import datetime as dt
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
BASE64: Final = "application/x-www-form-base64-encoded"

# The switch stays the same one.
_CORE_UUID: Final = "504bb235-2b5f-464a-b5b6-25d293525c7f"
_CALLER: Final = "442031703746"
# Ofcom keeps these for drama: 020 7946 0000 to 0999.
_DRAMA: Final = "442079460"

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Seconds, or microseconds, since 1970; all the records are of one day.
_EPOCH: Final = re.compile(r"(1795\d{6})(\d{6})?(?!\d)")
_STAMP: Final = re.compile(
    r"(2026-11-23)( |%20)(\d\d)(:|%3A)(\d\d)(:|%3A)(\d\d)", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Template:
    """A recorded body, how it is encoded on the way, and what it shows."""

    file: str
    content_type: str
    title: str


@dataclass(frozen=True, slots=True)
class Record:
    """A request body ready to be sent; `uuid` is the leg's, as in `?uuid=`."""

    uuid: str
    body: bytes
    content_type: str
    title: str


TEMPLATES: Final = (
    Template("json_answered", JSON, "answered, JSON"),
    Template("format_busy", JSON, "busy, JSON"),
    Template("form_answered", FORM, "answered, form"),
    Template("format_answered", JSON, "answered, JSON of mod_format_cdr"),
    Template("json_answered", BASE64, "answered, base64"),
)
# What FreeSWITCH's shipped configuration sends for a caller who has a name: encoded
# twice, undone by nobody. It is quarantined.
BROKEN: Final = Template("form_broken", FORM, "spoilt by FreeSWITCH's default encoding")
# The one call that FreeSWITCH spoils (1-indexed).
BROKEN_CALL: Final = 8


def template_of(number: int) -> Template:
    """Which record the call with this number is made from; 1-indexed."""
    return BROKEN if number == BROKEN_CALL else sound_template_of(number)


def sound_template_of(number: int) -> Template:
    """The same without the one that FreeSWITCH spoils."""
    return TEMPLATES[(number - 1) % len(TEMPLATES)]


def fresh(
    template: Template, number: int, now: dt.datetime, new_uuid: Callable[[], UUID]
) -> Record:
    """The template as a call that ended at `now`; `number` varies the caller."""
    text = (
        files("cdrhook.demo").joinpath("records", f"{template.file}.body").read_text()
    )
    text = _moved_to(text, now)
    replaced = {_CORE_UUID: _CORE_UUID}

    def replace(found: re.Match[str]) -> str:
        return replaced.setdefault(found[0], str(new_uuid()))

    text = _UUID.sub(replace, text)
    text = text.replace(_CALLER, f"{_DRAMA}{number % 1000:03}")
    return Record(
        _leg(text), _encoded(text, template), template.content_type, template.title
    )


def _moved_to(text: str, now: dt.datetime) -> str:
    ended_at = max(int(found[1]) for found in _EPOCH.finditer(text))
    shift = int(now.timestamp()) - ended_at

    def epoch(found: re.Match[str]) -> str:
        return f"{int(found[1]) + shift}{found[2] or ''}"

    def stamp(found: re.Match[str]) -> str:
        date, gap, hour, colon, minute, _, second = found.groups()
        then = dt.datetime.fromisoformat(f"{date}T{hour}:{minute}:{second}+00:00")
        then += dt.timedelta(seconds=shift)
        return f"{then:%Y-%m-%d}{gap}{then:%H}{colon}{then:%M}{colon}{then:%S}"

    return _STAMP.sub(stamp, _EPOCH.sub(epoch, text))


def _leg(text: str) -> str:
    """The uuid that stands in most places is the leg's own."""
    found: list[str] = [uuid for uuid in _UUID.findall(text) if uuid != _CORE_UUID]
    return max(found, key=found.count)


def _encoded(text: str, template: Template) -> bytes:
    body = text.encode()
    if template.content_type == BASE64:
        return b"cdr=" + base64.b64encode(body)
    return body
