"""Points in time as people read them, and as ids bound them. Reads no clock."""

from __future__ import annotations

import datetime as dt
from typing import Final
from uuid import UUID

from django.utils.html import format_html

_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))


def absolute(moment: dt.datetime | None) -> str:
    """`2026-11-23 01:40:11` in UTC; a dash for no moment."""
    if moment is None:
        return "–"
    return f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}"


def relative(moment: dt.datetime, now: dt.datetime) -> str:
    """`in 4 s`, `3 min ago`: how far off a moment is, in its largest whole unit."""
    seconds = round((moment - now).total_seconds())
    if seconds == 0:
        return "now"
    text = _length(abs(seconds))
    return f"in {text}" if seconds > 0 else f"{text} ago"


def _length(seconds: int) -> str:
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def both(moment: dt.datetime | None, now: dt.datetime) -> str:
    """The relative form over the absolute one, as HTML."""
    if moment is None:
        return "–"
    return format_html(
        '<span class="cdr-nowrap">{}</span><br>'
        '<time class="cdr-fine" datetime="{}">{}</time>',
        relative(moment, now),
        moment.isoformat(),
        absolute(moment),
    )


def first_id_at(moment: dt.datetime) -> UUID:
    """The smallest id of version 7 that can have been made at `moment`.

    Tables have no index on when a row was made; their ids sort by it.
    """
    milliseconds = max(0, int(moment.timestamp() * 1000))
    return UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62)
