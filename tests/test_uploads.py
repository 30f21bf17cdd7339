"""Bodies come in bounded in bytes and in time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from cdrhook.uploads import NoRoomError, TooSlowError, Uploads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


def uploads(**bounds: float) -> Uploads:
    return Uploads(
        max_bytes=int(bounds.get("max_bytes", 10)),
        max_held_bytes=int(bounds.get("max_held_bytes", 100)),
        max_discarded_bytes=20,
        seconds=bounds.get("seconds", 30),
    )


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    for piece in given:
        yield piece


async def stalling() -> AsyncIterator[bytes]:
    yield b"a"
    await asyncio.Event().wait()


def test_a_body_is_what_its_pieces_are():
    assert asyncio.run(uploads().read(pieces(b"ab", b"c"))) == b"abc"


def test_no_more_than_a_byte_too_many_is_kept():
    body = asyncio.run(uploads().read(pieces(b"a" * 8, b"b" * 1000, b"c")))
    assert body == b"a" * 8 + b"b" * 3


def test_a_body_that_stalls_is_given_up():
    with pytest.raises(TooSlowError):
        asyncio.run(uploads(seconds=0.01).read(stalling()))


def test_all_bodies_together_are_bounded():
    async def one_beside_another() -> None:
        bounded = uploads(max_held_bytes=5)
        stalled = asyncio.create_task(bounded.read(stalling()))
        await asyncio.sleep(0)
        assert bounded.held_bytes == 1
        with pytest.raises(NoRoomError):
            await bounded.read(pieces(b"abcde"))
        stalled.cancel()

    asyncio.run(one_beside_another())


async def breaking_off() -> AsyncIterator[bytes]:
    yield b"a"
    raise RuntimeError("the client has gone")


@pytest.mark.parametrize("body", [stalling, breaking_off])
def test_what_a_body_held_that_never_came_is_given_back(
    body: Callable[[], AsyncIterator[bytes]],
):
    bounded = uploads(seconds=0.01)
    with pytest.raises((TooSlowError, RuntimeError)):
        asyncio.run(bounded.read(body()))
    assert bounded.held_bytes == 0


@pytest.mark.parametrize("body", [b"abc", b"a" * 50], ids=["short", "long"])
def test_a_body_counts_until_it_is_given_back(body: bytes):
    bounded = uploads()
    read = asyncio.run(bounded.read(pieces(body)))
    assert bounded.held_bytes == len(read) > 0
    bounded.give_back(read)
    assert bounded.held_bytes == 0


def test_what_is_discarded_is_bounded():
    given: list[int] = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            given.append(8)
            yield b"a" * 8

    asyncio.run(uploads().discard(endless()))
    assert sum(given) == 24


def test_who_stalls_is_not_waited_for_to_discard():
    assert asyncio.run(uploads(seconds=0.01).discard(stalling())) is None
