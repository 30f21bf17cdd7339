from __future__ import annotations

import copy
import os
import pickle
import threading
from uuid import UUID, SafeUUID

from dispatcher.models.ids import first_id_at, moment_of, uuid7

# More than are drawn at a time.
MANY = 2000


def test_an_id_is_an_ordinary_uuid_of_version_7():
    made = uuid7()

    assert type(made) is UUID
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.is_safe is SafeUUID.unknown


def test_an_id_is_equal_to_what_its_text_says():
    made = uuid7()

    for other in (UUID(str(made)), UUID(int=made.int), copy.deepcopy(made)):
        assert other == made
        assert hash(other) == hash(made)
    assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301


def test_ids_sort_by_when_they_were_made(monkeypatch):
    at = [1_772_431_200_000_000_000 + step for step in (0, 400, 999_999, 1_000_000)]
    clock = iter(at)
    monkeypatch.setattr("dispatcher.models.ids.time.time_ns", lambda: next(clock))

    made = [uuid7() for _ in at]

    fractions = [0, 1, 4095, 0]
    assert [key.int >> 64 & 4095 for key in made] == fractions
    assert [moment_of(key).microsecond for key in made] == [0, 0, 0, 1000]
    assert made[0] > first_id_at(moment_of(made[0]))


def test_ids_made_in_the_same_moment_are_never_the_same(monkeypatch):
    monkeypatch.setattr("dispatcher.models.ids.time.time_ns", lambda: 10**18)

    assert len({uuid7() for _ in range(MANY)}) == MANY


def test_threads_never_make_the_same_id(monkeypatch):
    monkeypatch.setattr("dispatcher.models.ids.time.time_ns", lambda: 10**18)
    made: list[UUID] = []
    together = threading.Barrier(4)

    def make() -> None:
        together.wait()
        made.extend([uuid7() for _ in range(MANY)])

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(made)) == 4 * MANY


def test_a_process_that_was_forked_never_makes_an_id_of_its_parent(monkeypatch):
    monkeypatch.setattr("dispatcher.models.ids.time.time_ns", lambda: 10**18)
    uuid7()  # numbers are left over
    reader, writer = os.pipe()

    child = os.fork()
    if not child:
        os.write(writer, b"".join(uuid7().bytes for _ in range(10)))
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader, "rb") as told:
        text = told.read()

    theirs = {text[start : start + 16] for start in range(0, len(text), 16)}
    assert len(theirs) == 10
    assert theirs.isdisjoint(uuid7().bytes for _ in range(10))
