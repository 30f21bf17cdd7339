"""Which adapters there are: one line each. Knows nothing else about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dispatcher.adapters.freeswitch import FreeSwitch

if TYPE_CHECKING:
    from dispatcher.adapters.base import Adapter

ADAPTERS: Final[dict[str, Adapter]] = {
    "freeswitch": FreeSwitch(),
}


def adapter(name: str) -> Adapter | None:
    """The adapter that `/ingest/{name}/...` asks for, or None if there is none."""
    return ADAPTERS.get(name)
