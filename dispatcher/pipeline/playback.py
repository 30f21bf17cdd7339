"""Opens a recording: from the storage "recordings", else from where its PBX keeps it.

Reads both as they are asked for, never as a whole, and tells of neither where it is.
Holds no database connection; decides nothing about who may listen.
"""

from __future__ import annotations

import mimetypes
import re
import threading
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

import structlog
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.storage import storages
from django.db import close_old_connections
from django.utils.http import http_date

from dispatcher.pipeline.outbound import fetch_out
from dispatcher.sending.fetch import CHUNK_BYTES, Fetched, FetchError
from dispatcher.sending.ranges import (
    ByteRange,
    Span,
    parse_content_range,
    unsatisfied_size,
)

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Iterator

    from django.core.files import File
    from django.core.files.storage import Storage

    from dispatcher.pipeline.recording import Found

log = structlog.get_logger(__name__)

STORAGE: Final = "recordings"
# Each holds one of the web server's threads for as long as somebody listens: the rest
# of those are for PBXs that hand over calls.
MAX_PLAYING: Final = 32
# Whoever listens and does not read holds its place: one tenant's never hold them all.
MAX_PLAYING_A_TENANT: Final = 8

TYPES: Final = {
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".m4a": "audio/mp4",
    ".webm": "audio/webm",
}
UNKNOWN_TYPE: Final = "application/octet-stream"
PLAYABLE: Final = re.compile(r"(?:audio|video)/[a-z0-9][a-z0-9.+-]{0,60}")
ETAG: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{0,200}"')
HTTP_DATE: Final = re.compile(
    r"[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT", re.ASCII
)

_playing: Counter[str] = Counter()
_playing_lock = threading.Lock()


class NotPlayableError(Exception):
    """The recording cannot be played; `why` decides what the listener is told."""

    def __init__(self, why: Literal["unknown", "unavailable", "busy"]) -> None:
        super().__init__(why)
        self.why = why


class Body:
    """The bytes to be sent, in chunks of at most 64 KB. Close it, read or not."""

    def __init__(self, *closers: Callable[[], object]) -> None:
        self._chunks: Iterable[bytes] = ()
        self._closers = list(closers)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._chunks)

    def add(self, closer: Callable[[], object]) -> None:
        """Hold something more until the body is closed."""
        self._closers.append(closer)

    def of(self, chunks: Iterable[bytes]) -> Body:
        """Return itself, now with something to read."""
        self._chunks = chunks
        return self

    def close(self) -> None:
        """Give back what is held, the last first; once, however often it is called."""
        while self._closers:
            self._closers.pop()()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a listener asks for: a range (None: the whole), and the If-Range with it."""

    range: ByteRange | None = None
    if_range: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Playback:
    """An answer to a listener.

    `span` is what a 206 holds, `length` the bytes of the body, `size` those of the
    whole; None: unknown. `etag` and `last_modified` are as headers hold them, or "".
    """

    status: Literal[200, 206, 416]
    body: Body
    size: int | None
    length: int | None
    span: Span | None = None
    takes_ranges: bool = True
    content_type: str = UNKNOWN_TYPE
    suffix: str = ""
    etag: str = ""
    last_modified: str = ""


def play(found: Found, wanted: Wanted) -> Playback:
    """Opens a recording; the caller closes `body`. NotPlayableError.

    A file in the storage goes before the PBX's own.
    """
    # Neither a storage nor a PBX may keep a connection from those who need one.
    close_old_connections()
    tenant = found.tenant_external_id
    if not _take_place(tenant):
        log.warning("recording.busy", uid=found.uid, tenant=tenant)
        raise NotPlayableError("busy")
    held = Body(partial(_leave_place, tenant))
    try:
        return _from_storage(found, wanted, held) or _from_pbx(found, wanted, held)
    except BaseException:
        held.close()
        raise


def _take_place(tenant: str) -> bool:
    with _playing_lock:
        full = _playing.total() >= MAX_PLAYING
        if full or _playing[tenant] >= MAX_PLAYING_A_TENANT:
            return False
        _playing[tenant] += 1
        return True


def _leave_place(tenant: str) -> None:
    with _playing_lock:
        _playing[tenant] -= 1
        if not _playing[tenant]:
            del _playing[tenant]


# The storage ------------------------------------------------------------------------


def file_names(tenant_external_id: str, recording_id: str) -> list[str]:
    """The names that a recording may have in the storage, in the order to try them.

    `<tenant>/<recording id>`, with or without a suffix. Empty where such a name would
    not stand in the tenant's folder: ids come from PBXs, and `.` and `..` are possible
    for both.
    """
    path = f"{tenant_external_id}/{recording_id}"
    if "\\" in path or not path.isprintable():
        return []
    if not {"", ".", ".."}.isdisjoint(path.split("/")):
        return []
    return [path, *(f"{path}{suffix}" for suffix in TYPES)]


def _from_storage(found: Found, wanted: Wanted, held: Body) -> Playback | None:
    try:
        storage = storages[STORAGE]
        for name in file_names(found.tenant_external_id, found.recording.id):
            if (file := _opened(storage, name)) is not None:
                held.add(file.close)
                return _of_file(storage, name, file, wanted, held)
    except Exception as error:
        # Every storage has errors of its own.
        log.warning(
            "recording.storage_failed", uid=found.uid, error=type(error).__name__
        )
        raise NotPlayableError("unavailable") from error
    return None


def _opened(storage: Storage, name: str) -> File[bytes] | None:
    try:
        return storage.open(name) if storage.exists(name) else None
    except (
        FileExistsError,
        FileNotFoundError,
        IsADirectoryError,
        NotADirectoryError,
        SuspiciousFileOperation,
    ):
        return None  # a folder, or gone this moment


def _of_file(
    storage: Storage, name: str, file: File[bytes], wanted: Wanted, held: Body
) -> Playback:
    size = file.size
    changed_at = _changed_at(storage, name)
    etag, last_modified = "", ""
    if changed_at is not None:
        etag = f'"{int(changed_at.timestamp() * 1_000_000):x}-{size:x}"'
        last_modified = http_date(changed_at.timestamp())
    span = None
    if wanted.range is not None and _still(wanted.if_range, etag, last_modified):
        span = wanted.range.within(size)
        if span is None:
            held.close()
            return Playback(status=416, body=held, size=size, length=0)
    first, length = (0, size) if span is None else (span.first, span.length)
    return Playback(
        status=200 if span is None else 206,
        body=held.of(_read(file, first, length)),
        size=size,
        length=length,
        span=span,
        content_type=_type_of(name),
        suffix=_suffix_of(name),
        etag=etag,
        last_modified=last_modified,
    )


def _changed_at(storage: Storage, name: str) -> dt.datetime | None:
    try:
        return storage.get_modified_time(name)
    except NotImplementedError:
        return None


def _read(file: File[bytes], first: int, length: int) -> Iterator[bytes]:
    file.seek(first)
    while length > 0 and (chunk := file.read(min(CHUNK_BYTES, length))):
        length -= len(chunk)
        yield chunk


# The PBX ----------------------------------------------------------------------------


def _from_pbx(found: Found, wanted: Wanted, held: Body) -> Playback:
    fetched = _fetch(found, wanted.range)
    asked = wanted.range
    if (
        asked is not None
        and fetched.status in {206, 416}
        and not _is_still(fetched, wanted)
    ):
        # It changed since the listener got the first part: the whole, then.
        fetched.close()
        fetched, asked = _fetch(found, None), None
    held.add(fetched.close)
    if (playback := _of_answer(found, fetched, asked, held)) is None:
        log.warning(
            "recording.not_as_asked",
            uid=found.uid,
            status=fetched.status,
            content_range=fetched.headers.get("Content-Range", ""),
        )
        raise NotPlayableError("unavailable")
    return playback


def _fetch(found: Found, wanted: ByteRange | None) -> Fetched:
    url = found.recording.url
    if not url:
        raise NotPlayableError("unknown")
    try:
        # Nothing of the listener's goes there but the range.
        return fetch_out(url, {} if wanted is None else {"Range": str(wanted)})
    except FetchError as error:
        log.warning(
            "recording.not_fetched",
            uid=found.uid,
            error_class=error.error_class,
            error=error.detail or str(error),
        )
        raise NotPlayableError("unknown" if error.blocked else "unavailable") from error


def _is_still(fetched: Fetched, wanted: Wanted) -> bool:
    return _still(wanted.if_range, _etag(fetched), _last_modified(fetched))


def _of_answer(
    found: Found, fetched: Fetched, asked: ByteRange | None, held: Body
) -> Playback | None:
    """What the PBX's answer is to the listener; None: nothing."""
    if fetched.status in {404, 410}:
        log.info("recording.gone", uid=found.uid, status=fetched.status)
        raise NotPlayableError("unknown")
    content_range = fetched.headers.get("Content-Range", "")
    if asked is not None and fetched.status == 416:
        held.close()
        size = unsatisfied_size(content_range)
        return Playback(status=416, body=held, size=size, length=0)
    span = None
    if fetched.status == 206:
        span = parse_content_range(content_range)
        if span is None or asked is None or not asked.begins(span):
            return None
        if fetched.length not in {None, span.length}:
            return None
    elif fetched.status != 200:
        return None
    if fetched.headers.get("Content-Encoding", "identity").lower() != "identity":
        return None
    path = urlsplit(found.recording.url or "").path
    return Playback(
        status=200 if span is None else 206,
        body=held.of(_told(found, fetched)),
        size=fetched.length if span is None else span.size,
        length=fetched.length if span is None else span.length,
        span=span,
        takes_ranges=span is not None or _takes_ranges(fetched),
        content_type=_type_told(fetched) or _type_of(path),
        suffix=_suffix_of(path),
        etag=_etag(fetched),
        last_modified=_last_modified(fetched),
    )


def _told(found: Found, fetched: Fetched) -> Iterator[bytes]:
    try:
        yield from fetched
    except FetchError as error:
        log.warning(
            "recording.broke_off",
            uid=found.uid,
            error_class=error.error_class,
            error=str(error),
        )
        raise


def _takes_ranges(fetched: Fetched) -> bool:
    return fetched.headers.get("Accept-Ranges", "").strip().lower() == "bytes"


def _type_told(fetched: Fetched) -> str:
    told = fetched.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return told if PLAYABLE.fullmatch(told) else ""


def _etag(fetched: Fetched) -> str:
    etag = fetched.headers.get("ETag", "")
    return etag if ETAG.fullmatch(etag) else ""


def _last_modified(fetched: Fetched) -> str:
    date = fetched.headers.get("Last-Modified", "")
    return date if HTTP_DATE.fullmatch(date) else ""


# Both -------------------------------------------------------------------------------


def _still(if_range: str, etag: str, last_modified: str) -> bool:
    """Whether an If-Range holds (RFC 9110, 13.1.5); a weak ETag never does."""
    if not if_range:
        return True
    return if_range == (etag if if_range.startswith('"') else last_modified)


def _suffix_of(name: str) -> str:
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if suffix in TYPES else ""


def _type_of(name: str) -> str:
    guessed = TYPES.get(_suffix_of(name)) or mimetypes.guess_type(name)[0] or ""
    return guessed if PLAYABLE.fullmatch(guessed) else UNKNOWN_TYPE
