"""How far each file of a source has been read, and by what a file is known again.

A file is known by what has been read of it: its first and the last kilobyte before the
place. So it is the same file whatever it is called and wherever it lies, renamed, copied
or compressed; and another one as soon as it was truncated or rewritten, though name and
inode are the same. Mistakes cost time only: a record that is read twice is a duplicate.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.db.models import F

from dispatcher.models import FilePlace

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from dispatcher.models import Source
    from dispatcher.pipeline.ingest import Ingested

# What a file is known by, at each end of what has been read.
ENDS_BYTES: Final = 1024
# How long the places of files that are gone are remembered: they may come back as
# archives.
REMEMBERED: Final = dt.timedelta(days=90)
# Places that are forgotten at once.
STEP: Final = 500


class OvertakenError(Exception):
    """Somebody else has read on in the same file."""


@dataclass(slots=True)
class Place:
    """A place in a file: `head` and `tail` are the ends of what was read before it.

    `key` is that of its FilePlace, None where there is none yet. `name`: what the file is
    known by instead, where it is read as a whole.
    """

    path: str
    key: int | None = None
    offset: int = 0
    head: bytes = b""
    tail: bytes = b""
    name: str = ""

    def passed(self, read: Iterable[bytes]) -> None:
        """Moves on behind records that follow it."""
        joined = b"".join(read)
        self.offset += len(joined)
        self.head = (self.head + joined[:ENDS_BYTES])[:ENDS_BYTES]
        self.tail = (self.tail + joined[-ENDS_BYTES:])[-ENDS_BYTES:]

    @property
    def identity(self) -> str:
        """What FilePlace.identity holds."""
        return self.name or f"{_digest(self.head)}-{_digest(self.tail)}"


def _digest(some: bytes) -> str:
    return hashlib.blake2b(some, digest_size=16).hexdigest()


def place_of(path: str, stream: Any, places: Iterable[FilePlace]) -> Place:
    """Where to go on in a file, behind the most that has been read of it.

    `stream` is at the file's start, and stands at the place afterwards. `places` are all
    of its source's.
    """
    head = stream.read(ENDS_BYTES)
    for known in sorted(places, key=lambda one: (-one.offset, one.path != path)):
        found = _at(known, path, head, stream)
        if found is not None:
            return found
    stream.seek(0)
    return Place(path)


def _at(known: FilePlace, path: str, head: bytes, stream: Any) -> Place | None:
    """The place, if this file has it."""
    of_head = head[: known.offset]
    if not known.identity.startswith(_digest(of_head)):
        return None
    start = max(0, known.offset - ENDS_BYTES)
    try:
        stream.seek(start)
        tail = stream.read(known.offset - start)
    except EOFError:
        return None  # an archive that ends before
    if len(tail) < known.offset - start:
        return None
    key = known.pk if known.path == path else None
    place = Place(path, key, known.offset, of_head, tail)
    return place if place.identity == known.identity else None


def move(source: Source, place: Place, before: int, **columns: Any) -> None:
    """Notes that a file has been read from `before` up to its place.

    For the transaction that stores what was read. Raises OvertakenError.
    """
    of_path = FilePlace.objects.filter(source=source, path=place.path)
    former = of_path.filter(identity=place.identity)
    if place.key is not None:
        former = former.exclude(pk=place.key)
    former.delete()  # the file is again what it once was
    if place.key is None:
        read_at = columns["read_at"]
        made = FilePlace(source=source, path=place.path, offset=before, read_at=read_at)
        made.save(force_insert=True)
        place.key = made.pk
    columns |= {"offset": place.offset, "identity": place.identity}
    if not of_path.filter(pk=place.key, offset=before).update(**columns):
        raise OvertakenError


def counted(stored: Ingested) -> dict[str, Any]:
    """The columns of FilePlace that count what was read."""
    return {
        "accepted": F("accepted") + stored.accepted,
        "duplicates": F("duplicates") + stored.duplicates,
        "rejected": F("rejected") + stored.quarantined,
    }


def forget_gone(source: Source, there: Container[str], now: dt.datetime) -> int:
    """Forgets places of files that have been gone for long; how many."""
    old = FilePlace.objects.filter(source=source, read_at__lt=now - REMEMBERED)
    rows = old.order_by().values_list("pk", "path")
    gone = [key for key, path in rows if path not in there]
    for start in range(0, len(gone), STEP):
        FilePlace.objects.filter(pk__in=gone[start : start + STEP]).delete()
    return len(gone)
