"""What a play is: how the demo shows one payload style.

Sends nothing and prints nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cdrhook.demo.receivers import CAST

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping

    from cdrhook.demo.calls import Call
    from cdrhook.receiver import Received

TENANT: Final = "demo"
# All three receivers get the one tenant's calls.
EVERYBODY: Final = dict.fromkeys(CAST, (TENANT,))
# webex.txt's 5 minutes between two marks of a feed.
FEED_SECONDS: Final = 300
UNSHORTENED: Final = (
    "As documented: 10 s for a request, 2 s before the first retry, 4 s before the"
    " second."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Quick calls for a start, then slower ones: the demo may run for days."""

    quick_calls: int = 20
    quick_seconds: float = 1.0
    slow_seconds: float = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """A GET that has something to show only when the demo has run for a while.

    Asked once, for the owner of `webhook`; `path` takes the time.
    """

    after_seconds: float
    webhook: str
    path: Callable[[dt.datetime], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """One line of the table of plays.

    `clocks` are the first lines on the screen: what is shortened, and what is
    documented. `call` makes the call with a number (1-indexed) that is handed over at
    that time. `tell` says what a receiver got, in lines. `sees`: name of a receiver ->
    tenants whose calls it gets; `of_partners`: each of its webhooks belongs to a
    partner, else to the one tenant. `options` are createwebhook's, asked for each
    webhook. `link` finds a link to a recording; one call in a few has one then.
    """

    style: str
    clocks: tuple[str, ...]
    call: Callable[[int, dt.datetime], Call]
    tell: Callable[[Received], list[str]]
    sees: Mapping[str, tuple[str, ...]]
    of_partners: bool = False
    options: Callable[[], tuple[str, ...]] = tuple
    link: Callable[[Received], str] | None = None
    pace: Pace = Pace()
    feed_seconds: int = FEED_SECONDS
    later: Later | None = None
