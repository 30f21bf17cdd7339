"""The files that a source's folder holds, and how they are opened.

Never writes to it, never follows a link or waits for a pipe that lies in it: whoever may
put files there need not be somebody who may read others.
"""

from __future__ import annotations

import bz2
import fnmatch
import gzip
import lzma
import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

COMPRESSED: Final[dict[str, Callable[[Any], Any]]] = {
    ".gz": gzip.GzipFile,
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}
# What an unreadable archive raises, beside OSError.
DAMAGED: Final = (EOFError, lzma.LZMAError, OSError)
# Archives that are not read, and files that are being put there.
_IGNORED: Final = (
    *(".zip", ".tar", ".tgz", ".zst", ".lz4", ".7z"),
    *(".tmp", ".part", ".filepart", ".partial", ".swp", ".lock", "~"),
)
_MAGIC: Final = frozenset("*?[")
# A time further ahead is a clock that was set, and says nothing.
CLOCK_MARGIN_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file as it was when the folder was looked at."""

    path: Path
    size: int
    changed: float  # seconds since 1970
    stamp: tuple[int, ...]  # differs as soon as anything of it does

    @property
    def compressed(self) -> bool:
        """Whether its bytes are those of an archive."""
        return self.path.suffix in COMPRESSED

    @property
    def key(self) -> str:
        """Its path as text that any database takes, whatever bytes are in its name."""
        return os.fsencode(self.path).decode(errors="backslashreplace")

    def quiet_seconds(self, now: dt.datetime) -> float:
        """For how long nobody has written to it."""
        quiet = now.timestamp() - self.changed
        return quiet if quiet > -CLOCK_MARGIN_SECONDS else float("inf")


def files_of(folder: str) -> list[FoundFile]:
    """The files of a folder, those that were changed longest ago first.

    `folder` is absolute: a folder, or a file, or a folder and a pattern for names as in
    `/var/log/asterisk/cdr-csv/Master.csv*`. Raises OSError where it cannot be read,
    ValueError where it is not absolute.
    """
    path = Path(folder)
    if not path.is_absolute():
        raise ValueError("it is not an absolute path")
    if _MAGIC & set(path.name):
        found = _files_in(path.parent, path.name)
    elif path.is_dir():
        found = _files_in(path, "*")
    else:
        found = [file for file in [_found(path, path.lstat())] if file is not None]
    return sorted(found, key=lambda file: (file.changed, file.path.name))


def _files_in(folder: Path, pattern: str) -> list[FoundFile]:
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if _is_wanted(entry.name) and fnmatch.fnmatchcase(entry.name, pattern):
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # rotated away just now
                found.append(_found(folder / entry.name, status))
    return [file for file in found if file is not None]


def _is_wanted(name: str) -> bool:
    return not name.startswith(".") and not name.endswith(_IGNORED)


def _found(path: Path, status: os.stat_result) -> FoundFile | None:
    if not stat.S_ISREG(status.st_mode):
        return None
    changed = status.st_mtime
    if path.suffix in COMPRESSED:
        # gzip gives its file the time of the original when it is done.
        changed = max(changed, status.st_ctime)
    stamp = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    return FoundFile(path, status.st_size, changed, stamp)


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The file's bytes, those of an archive uncompressed. Raises OSError."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError("it is no file any more")
        compressed = COMPRESSED.get(path.suffix)
        if compressed is None:
            yield file
            return
        with _archive(compressed, file) as stream:
            yield stream


def _archive(kind: Callable[..., Any], file: Any) -> Any:
    return kind(fileobj=file) if kind is gzip.GzipFile else kind(file)


@dataclass(slots=True)
class Limited:
    """A stream that ends after so many bytes: a file as it was when it was looked at."""

    stream: Any
    left: int

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""
        some: bytes = self.stream.read(min(size, self.left))
        self.left -= len(some)
        return some
