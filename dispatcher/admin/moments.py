"""Points in time as people read them, and as ids bound them. Reads no clock."""

from __future__ import annotations

import datetime as dt
from typing import Final

from django.utils.html import format_html

# What stands where there is nothing to show.
UNKNOWN: Final = "\N{EN DASH}"
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))


def absolute(moment: dt.datetime | None) -> str:
    """`2026-11-23 01:40:11` in UTC; a dash for no moment."""
    if moment is None:
        return UNKNOWN
    return f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}"


def short(moment: dt.datetime, now: dt.datetime) -> str:
    """The time alone on the day of `now`, else date and time, in UTC."""
    same_day = moment.astimezone(dt.UTC).date() == now.astimezone(dt.UTC).date()
    return absolute(moment)[11:] if same_day else absolute(moment)


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


def window_text(start: dt.datetime, end: dt.datetime) -> str:
    """`window 16:50 to 16:55 UTC`; with seconds where a mark has any."""
    first, last = (moment.astimezone(dt.UTC) for moment in (start, end))
    shown = "%H:%M:%S" if first.second or last.second else "%H:%M"
    return f"window {first:{shown}} to {last:{shown}} UTC"


def both(moment: dt.datetime | None, now: dt.datetime, word: str = "") -> str:
    """The relative form, or `word`, over the absolute one, as HTML; the date only if not today's."""
    if moment is None:
        return UNKNOWN
    return format_html(
        '<span class="cdr-nowrap">{}</span><br>'
        '<time class="cdr-fine" datetime="{}" title="{} UTC">{}</time>',
        word or relative(moment, now),
        moment.isoformat(),
        absolute(moment),
        short(moment, now),
    )
