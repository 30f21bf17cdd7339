"""The plays, one line a style."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cdrhook.demo.plays import batch, envelope, feed, flat

if TYPE_CHECKING:
    from cdrhook.demo.plays.base import Play

DEFAULT: Final = "envelope"
PLAYS: Final[dict[str, Play]] = {
    "batch": batch.PLAY,
    "feed": feed.PLAY,
    "flat": flat.PLAY,
    "envelope": envelope.PLAY,
}
