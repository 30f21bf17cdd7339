"""Takes in the files of a source's folder: one look at a time, each bounded.

The constraints, and what follows from them:

1. A process can die at any point. Therefore the place in a file is committed in the
   transaction that stores what was read up to it: nothing is lost or read twice.
2. Files grow, and a last line may be half written. It waits, until the file has been
   rotated away or left alone.
3. Files are rotated: renamed, copied and truncated, compressed. Therefore a file is known
   by what has been read of it (`pipeline.places`), not by name or inode.
4. A folder may hold a hundred thousand files of one call. What has been read and has not
   changed since costs no query and is not opened.
5. One file that cannot be read must not hold up the others: it is the source's trouble.

Deletes and moves no file, and waits for nothing: the caller looks again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import structlog

from dispatcher.adapters.formats import file_format
from dispatcher.models import FilePlace, Source
from dispatcher.pipeline import places
from dispatcher.pipeline.chunks import (
    MAX_DOCUMENT_BYTES,
    Chunk,
    Reading,
    TooLargeError,
    chunks,
    is_document,
    parts,
)
from dispatcher.pipeline.folder import DAMAGED, FoundFile, Limited, files_of, opened
from dispatcher.pipeline.ingest import Ingested, Origin, rules_of, store
from dispatcher.pipeline.places import OvertakenError, Place, counted, move, place_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence
    from uuid import UUID

    from dispatcher.pipeline.chunks import Items

log = structlog.get_logger(__name__)

# What one look reads, if it is not told otherwise: about 3,000 calls.
BUDGET_BYTES: Final = 1024 * 1024
# A transaction counts as so many bytes at least: files of one call may be small.
LEAST_BYTES: Final = 4096
# A file of one call is complete when nobody has written to it for so long.
DOCUMENT_QUIET_SECONDS: Final = 2.0
# The same for what a rotated file or an archive ends with, and for CSV whose quote is
# open at the end of a line.
ROTATED_QUIET_SECONDS: Final = 60.0
# Half a line at the end of any file: who writes it may do so by the block, and a PBX may
# have no call all night.
HALF_LINE_QUIET_SECONDS: Final = 24 * 3600.0


class Looked(NamedTuple):
    """What a look at a folder gave.

    `wake`: the webhooks that have something to do now, and their lanes. `records`: how
    many were read, duplicates and rejected ones included. `more`: there is more to read
    already.
    """

    wake: Mapping[UUID, str]
    records: int
    more: bool


class _Seen(NamedTuple):
    """A file that need not be opened until its stamp changes, and what is wrong with it."""

    stamp: tuple[int, ...]
    trouble: str = ""


# Files by path; for the caller to keep between looks at one source.
Seen = dict[str, _Seen]


@dataclass(slots=True)
class _Look:
    """One look at one source."""

    source: Source
    reading: Reading
    now: dt.datetime
    budget: int
    seen: Seen
    names: frozenset[str] = frozenset()
    wake: dict[UUID, str] = field(default_factory=dict)
    records: int = 0
    trouble: str = ""
    more: bool = False


def look(
    source: Source,
    *,
    now: dt.datetime,
    budget: int = BUDGET_BYTES,
    seen: Seen | None = None,
) -> Looked:
    """Takes in what is new in a source's folder, about `budget` bytes of it.

    `seen` is what the caller keeps from one look at this source to the next; without it
    every file is opened. What cannot be read is noted as the source's trouble. Raises
    StorageUnavailable: look again later.
    """
    rules = rules_of(source, source.tenant)
    known = file_format(source.file_format, rules)
    if known is None:
        _note_trouble(source, f'there is no file format "{source.file_format}"', now)
        return Looked({}, 0, more=False)
    reading = Reading(source.tenant, known, rules, Origin(known.pbx, source))
    this = _Look(source, reading, now, budget, {} if seen is None else seen)
    try:
        files = files_of(source.folder)
    except (OSError, ValueError) as error:
        this.trouble = f"{source.folder}: {_reason(error)}"
    else:
        _read_files(this, files)
    _note_trouble(source, this.trouble, now)
    return Looked(this.wake, this.records, this.more)


# Files --------------------------------------------------------------------------------


def _read_files(this: _Look, files: Sequence[FoundFile]) -> None:
    by_key = {file.key: file for file in files}
    this.names = frozenset(file.path.name for file in files)
    if not this.seen:
        places.forget_gone(this.source, by_key, this.now)
    for key in this.seen.keys() - by_key.keys():
        del this.seen[key]
    unseen = [file for file in files if not _is_seen(this, file)]
    known = _known_places(this, unseen)
    for file in unseen:
        if this.budget <= 0:
            this.more = True
            break
        _try_to_read(this, file, known)
    troubles = (seen.trouble for seen in this.seen.values() if seen.trouble)
    this.trouble = this.trouble or next(troubles, "")


def _is_seen(this: _Look, file: FoundFile) -> bool:
    seen = this.seen.get(file.key)
    return seen is not None and seen.stamp == file.stamp


def _known_places(this: _Look, files: Sequence[FoundFile]) -> list[FilePlace]:
    """Of files of one call only their own: there may be very many."""
    of_source = FilePlace.objects.filter(source=this.source)
    if not files:
        return []
    if not is_document(this.reading.file_format):
        return list(of_source)
    keys = [file.key for file in files]
    return [
        place
        for start in range(0, len(keys), places.STEP)
        for place in of_source.filter(path__in=keys[start : start + places.STEP])
    ]


def _try_to_read(this: _Look, file: FoundFile, known: list[FilePlace]) -> None:
    read = _read_document if is_document(this.reading.file_format) else _read_lines
    if file.compressed and file.quiet_seconds(this.now) < ROTATED_QUIET_SECONDS:
        return  # it is still being written
    try:
        read(this, file, known)
    except FileNotFoundError:
        pass  # rotated away just now: it is found under its new name
    except OvertakenError:
        this.more = True
    except TooLargeError as error:
        this.seen[file.key] = _Seen(file.stamp, f"{file.path}: {error}")
    except DAMAGED as error:
        this.trouble = this.trouble or f"{file.path}: {_reason(error)}"


def _read_document(this: _Look, file: FoundFile, known: list[FilePlace]) -> None:
    """Takes in a file that is one document, once nobody writes to it any more."""
    name = "-".join(format(number, "x") for number in file.stamp)
    if any(one.path == file.key and one.identity == name for one in known):
        this.seen[file.key] = _Seen(file.stamp)
        return
    if file.quiet_seconds(this.now) < DOCUMENT_QUIET_SECONDS:
        return
    if file.size > MAX_DOCUMENT_BYTES:
        raise TooLargeError
    place = Place(file.key, name=name)
    with opened(file.path) as stream:
        for chunk in chunks(Limited(stream, file.size), this.reading.file_format):
            _store(this, file, place, chunk, finished_at=this.now)
    this.seen[file.key] = _Seen(file.stamp)


def _read_lines(this: _Look, file: FoundFile, known: list[FilePlace]) -> None:
    """Takes in what has been added to a file since it was last looked at."""
    with opened(file.path) as stream:
        place = place_of(file.key, stream, known)
        head = _head(this, stream, place)
        rest = stream if file.compressed else Limited(stream, file.size - place.offset)
        for chunk in chunks(
            rest,
            this.reading.file_format,
            start=place.offset,
            head=head,
            is_over=partial(_is_over, this, file),
        ):
            if this.budget <= 0:
                this.more = True
                return
            _store(this, file, place, chunk)
    if file.compressed or place.offset == file.size:
        this.seen[file.key] = _Seen(file.stamp)


def _head(this: _Look, stream: Any, place: Place) -> Sequence[bytes]:
    """What the file's first records say, where they have been passed already."""
    if not place.offset or not this.reading.file_format.head_records:
        return ()
    stream.seek(0)
    head = next(chunks(stream, this.reading.file_format)).head
    stream.seek(place.offset)
    return head


def _is_over(this: _Look, file: FoundFile, left: bytes) -> bool:
    """Whether nobody will complete what the file ends with."""
    if file.compressed:
        return True
    waits = HALF_LINE_QUIET_SECONDS
    if left.endswith(b"\n") or _is_rotated(this, file):
        waits = ROTATED_QUIET_SECONDS
    return file.quiet_seconds(this.now) >= waits


def _is_rotated(this: _Look, file: FoundFile) -> bool:
    """Whether it is called as another file there, and something behind: Master.csv.1."""
    name = file.path.name
    return any(other != name and name.startswith(other) for other in this.names)


def _store(
    this: _Look, file: FoundFile, place: Place, chunk: Chunk, **columns: Any
) -> None:
    if not chunk.records:
        return
    before = place.offset
    place.passed([*chunk.head, *chunk.records] if not before else chunk.records)
    columns |= {"size": file.size, "read_at": this.now}

    def beside(stored: Ingested) -> None:
        move(this.source, place, before, **columns, **counted(stored))

    *others, last = parts(this.reading, chunk)
    for part in others:
        _store_part(this, part)
    _store_part(this, last, beside)
    this.budget -= max(place.offset - before, LEAST_BYTES)


def _store_part(
    this: _Look,
    items: Items,
    beside: Callable[[Ingested], object] | None = None,
) -> None:
    """One transaction; the last one of a chunk moves the file's place."""
    of = this.reading
    stored = store(of.tenant, items, of.origin, now=this.now, beside=beside)
    this.wake |= stored.wake
    this.records += stored.accepted + stored.duplicates + stored.quarantined


# Trouble ------------------------------------------------------------------------------


def _reason(error: Exception) -> str:
    """In words; what the system says, without its number."""
    said = error.strerror if isinstance(error, OSError) else None
    return said or str(error) or type(error).__name__


def _note_trouble(source: Source, trouble: str, now: dt.datetime) -> None:
    """Notes since when there is trouble, or that there is none any more."""
    if trouble == source.trouble:
        return
    source.trouble = trouble
    source.trouble_at = (source.trouble_at or now) if trouble else None
    Source.objects.filter(pk=source.pk).update(
        trouble=source.trouble, trouble_at=source.trouble_at
    )
    if trouble:
        log.warning("source.trouble", source=source.name, trouble=trouble)
