"""The data folder: who may use it, its secret key, and what the running stack tells.

Makes files that only their owner may read. Starts no process.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

# The children of an `up` that was killed are gone within this time.
ORPHANS_GONE_SECONDS: Final = 5.0


class FolderInUseError(Exception):
    """Another `cdrhook up` runs on this data folder."""


def make_private(folder: Path) -> None:
    """Makes the folder (0700) where it is missing; one that exists stays as it is."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[int]:
    """Holds the folder for one `up`; gives the descriptor of the lock.

    Children that inherit the descriptor hold the lock too, so that a new `up` never
    meets the orphans of one that was killed: it waits for them. Raises
    FolderInUseError where another `up` is alive.
    """
    descriptor = os.open(folder / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _take(descriptor, folder)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _take(descriptor: int, folder: Path) -> None:
    give_up_at = time.monotonic() + ORPHANS_GONE_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode()
            if time.monotonic() > give_up_at or _is_alive(holder):
                raise FolderInUseError(
                    f"cdrhook is already running on {folder}"
                    f" (process {holder or 'unknown'}). Stop that one first, or set"
                    " CDRHOOK_DATA_DIR to another folder."
                ) from None
            time.sleep(0.1)
        else:
            return


def _is_alive(pid: str) -> bool:
    if not pid.isdigit():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def secret_key(path: Path) -> str:
    """The secret key kept in `path`; a random one is put there the first time."""
    with contextlib.suppress(FileNotFoundError):
        if key := path.read_text().strip():
            return key
    key = secrets.token_urlsafe(48)
    write_private(path, key + "\n")
    return key


def write_runtime(path: Path, redis_url: str) -> None:
    """Tells the other commands (settings.py reads it) where the broker is."""
    write_private(path, json.dumps({"pid": os.getpid(), "redis_url": redis_url}) + "\n")


def write_private(path: Path, text: str) -> None:
    """Writes `text` as a file of mode 0600: whole or not at all, also after a crash."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
