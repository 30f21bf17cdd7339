"""Which adapters there are: one line each. Knows nothing else about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dispatcher.adapters.asterisk import Asterisk
from dispatcher.adapters.freeswitch import FreeSwitch
from dispatcher.adapters.generic import Generic
from dispatcher.adapters.grandstream import Grandstream
from dispatcher.adapters.kazoo import Kazoo
from dispatcher.adapters.webex import Webex
from dispatcher.adapters.yeastar import Yeastar

if TYPE_CHECKING:
    from dispatcher.adapters.base import Adapter

ADAPTERS: Final[dict[str, Adapter]] = {
    "asterisk": Asterisk(),
    "freeswitch": FreeSwitch(),
    "generic": Generic(),
    "grandstream": Grandstream(),
    "kazoo": Kazoo(),
    "webex": Webex(),
    "yeastar": Yeastar(),
}


def adapter(name: str) -> Adapter | None:
    """The adapter that `/ingest/{name}/...` asks for, or None if there is none."""
    return ADAPTERS.get(name)
