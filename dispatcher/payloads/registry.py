"""Every payload style, one line each. Knows no style's content."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from dispatcher.payloads import batch, envelope, feed, flat

if TYPE_CHECKING:
    from dispatcher.payloads.base import Style

STYLES: Final = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            envelope.STYLE,
            flat.STYLE,
            batch.STYLE,
            feed.STYLE,
        )
    }
)


class UnknownStyleError(LookupError):
    """There is no payload style of that name."""


def style(name: str) -> Style:
    """The style of that name; `UnknownStyleError` names those that there are."""
    try:
        return STYLES[name]
    except KeyError:
        known = ", ".join(STYLES)
        raise UnknownStyleError(f'no style "{name}"; there are {known}') from None
