"""The envelope, one call a payload: what FreeSWITCH reports, in each of its forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cdrhook.demo.calls import Call, reported
from cdrhook.demo.plays.base import EVERYBODY, TENANT, UNSHORTENED, Play
from cdrhook.demo.records import template_of

if TYPE_CHECKING:
    import datetime as dt

    from cdrhook.receiver import Received


def call(number: int, now: dt.datetime) -> Call:
    """FreeSWITCH's records in turn; one of them is spoilt."""
    return reported(template_of(number), number, now, TENANT)


def tell(_received: Received) -> list[str]:
    """Nothing: the admin shows the payload."""
    return []


PLAY: Final = Play(
    style="envelope",
    clocks=("No clock is shortened.", UNSHORTENED),
    call=call,
    tell=tell,
    sees=EVERYBODY,
)
