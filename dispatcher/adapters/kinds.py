"""Which kinds of PBX a source can be, what people call them, and which of them push.

Derived from the registries of adapters and of file formats, and from what live
connections are made to; knows nothing else of any PBX.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from dispatcher.adapters.formats import FORMATS
from dispatcher.adapters.registry import ADAPTERS

# Of whom calls are fetched over a connection, and the schemes of their URLs.
LIVE: Final = MappingProxyType(
    {
        "asterisk": ("ami", "amis", "postgresql", "mysql", "sqlite"),
        "kamailio": ("postgresql", "mysql", "sqlite"),
    }
)
_TITLES: Final = MappingProxyType(
    {
        "3cx": "3CX",
        "asterisk": "Asterisk, FreePBX",
        "cucm": "Cisco CUCM",
        "freeswitch": "FreeSWITCH, FusionPBX",
        "generic": "anything else, by a mapping",
        "grandstream": "Grandstream UCM",
        "kamailio": "Kamailio",
        "kazoo": "Kazoo",
        "webex": "Webex Calling",
        "yeastar": "Yeastar",
    }
)


def kinds() -> dict[str, str]:
    """Name -> title of every kind, by title."""
    of_files = {one.pbx for one in FORMATS.values()}
    names = {*ADAPTERS, *of_files, *LIVE}
    return dict(sorted(((name, title(name)) for name in names), key=_by_title))


def title(name: str) -> str:
    """What people call a kind of PBX."""
    return _TITLES.get(name, name)


def pushes(name: str) -> bool:
    """Whether it hands over by HTTP, so that its source has a URL and tokens."""
    return name in ADAPTERS


def _by_title(kind: tuple[str, str]) -> str:
    return kind[1].lower()
