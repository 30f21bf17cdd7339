"""A disk that is full, and has space again: a small tmpfs in a mount namespace.

The process that is to meet it is started inside the namespace; from outside the disk is
reached through /proc. Needs no root where the kernel lets users make namespaces.
"""

from __future__ import annotations

import errno
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.chaos.evidence import BUSY
from tests.chaos.values import Fault
from tests.programs import NotInstalledError

if TYPE_CHECKING:
    from tests.chaos.scene import Scene

_BLOCK: Final = bytes(64 * 1024)
# Mounts a disk over a folder, with what was in the folder on it; then the command.
_SCRIPT: Final = (
    'set -e; disk="$1"; size="$2"; shift 2; before=$(mktemp -d);'
    ' cp -a "$disk/." "$before"; mount -t tmpfs -o "size=$size" chaos "$disk";'
    ' cp -a "$before/." "$disk"; rm -rf "$before"; exec "$@"'
)
_NAMESPACE: Final = ("unshare", "--user", "--map-root-user", "--mount")


def _inside(disk: Path, megabytes: int) -> list[str]:
    """What runs a command with a disk of its own. Raises NotInstalledError."""
    trial = subprocess.run(
        [*_NAMESPACE, "mount", "-t", "tmpfs", "trial", str(disk)],
        capture_output=True,
        text=True,
        check=False,
    )
    if trial.returncode:
        raise NotInstalledError(f"no mount namespace can be made: {trial.stderr}")
    return [*_NAMESPACE, "sh", "-c", _SCRIPT, "sh", str(disk), f"{megabytes}m"]


def _fill(pid: int, disk: Path) -> Path:
    """Fills the disk of a process to the last byte; the file that does."""
    filler = Path(f"/proc/{pid}/root{disk}/filler")
    with filler.open("ab", buffering=0) as file:
        for block in (_BLOCK, b"x" * 512, b"x"):
            _write_until_full(file.fileno(), block)
    return filler


def _write_until_full(descriptor: int, block: bytes) -> None:
    try:
        while os.write(descriptor, block):
            pass
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


# Under SQLite ---------------------------------------------------------------------------


def _arrange_sqlite(scene: Scene) -> None:
    scene.inside = _inside(scene.data, 256)


def _full_sqlite(scene: Scene) -> None:
    began = time.time()
    filler = _fill(scene.up.pid, scene.data)
    scene.crashed()
    for _ in range(16):
        scene.wait(0.5, 0.3)
        # What a checkpoint gives back is taken, too.
        _fill(scene.up.pid, scene.data)
    meanwhile = [one for one in scene.pbx.read() if one.sent > began]
    refused = [one for one in meanwhile if one.status == BUSY]
    scene.expect(refused, "no 503: nothing was refused while the disk was full")
    filler.unlink()


# Under Valkey's append-only file --------------------------------------------------------


def _arrange_valkey(scene: Scene) -> None:
    folder = scene.work / "valkey"
    folder.mkdir()
    scene.valkey.keep_in(folder, _inside(folder, 64))


def _full_valkey(scene: Scene) -> None:
    filler = _fill(scene.valkey.pid, scene.valkey.folder)
    for _ in range(16):
        scene.wait(0.5, 0.3)
        _fill(scene.valkey.pid, scene.valkey.folder)
    filler.unlink()


FAULTS: Final = (
    Fault(
        name="disk-full-sqlite",
        what="disk full under SQLite, then space again",
        strike=_full_sqlite,
        arrange=_arrange_sqlite,
        broker="apart",
        seconds=60,
    ),
    Fault(
        name="disk-full-valkey",
        what="disk full under Valkey's append-only file, then space again",
        strike=_full_valkey,
        arrange=_arrange_valkey,
        broker="apart",
        database="postgres",
        seconds=60,
    ),
)
