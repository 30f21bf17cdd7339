"""The clock of cdrhook's processes is stepped, by libfaketime.

The whole of `cdrhook up` has that clock, its Valkey too; PostgreSQL, PBX and receivers
have the true one. Each process looks once a second how far its clock is out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests import programs
from tests.chaos.results import FOLDER
from tests.chaos.values import Fault

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.scene import Scene

PACKAGES: Final = ("libfaketime",)
_LIBRARY: Final = "usr/lib/*/faketime/libfaketimeMT.so.1"
_STEP_SECONDS: Final = 3600
# The library refuses the system call that Python 3.11 sleeps with.
_SLEEP: Final = """\
import select
import time

time.sleep = lambda seconds: (select.select([], [], [], seconds), None)[1]
"""


def _arrange(scene: Scene) -> None:
    root = programs.unpacked(FOLDER / "debian", *PACKAGES)
    library = next(root.glob(_LIBRARY), None)
    if library is None:
        raise programs.NotInstalledError(f"{PACKAGES[0]} has no {_LIBRARY}")
    _set(scene, 0)
    patched = scene.work / "python"
    patched.mkdir()
    (patched / "sitecustomize.py").write_text(_SLEEP)
    scene.settings |= {
        "LD_PRELOAD": str(library),
        "PYTHONPATH": str(patched),
        "FAKETIME_TIMESTAMP_FILE": str(_file(scene)),
        "FAKETIME_CACHE_DURATION": "1",
        # Timers and waits are not what a step of the clock changes.
        "DONT_FAKE_MONOTONIC": "1",
    }


def _file(scene: Scene) -> Path:
    return scene.work / "clock"


def _set(scene: Scene, seconds: int) -> None:
    new = scene.work / "clock.new"
    new.write_text(f"{seconds:+d}\n")
    new.replace(_file(scene))


def _forward(scene: Scene) -> None:
    _step(scene, _STEP_SECONDS)


def _back(scene: Scene) -> None:
    _step(scene, -_STEP_SECONDS)


def _step(scene: Scene, seconds: int) -> None:
    # Leases look as if they had run out, or as if they were far ahead.
    scene.crashed()
    _set(scene, seconds * (len(scene.strikes) + 1))
    scene.wait(2.0)


_FORWARD: Final = "the clock stepped forward by an hour"
_BACK: Final = "the clock stepped back by an hour"

FAULTS: Final = (
    Fault(name="clock-forward", what=_FORWARD, strike=_forward, arrange=_arrange),
    Fault(
        name="clock-forward-postgres",
        what=_FORWARD,
        strike=_forward,
        arrange=_arrange,
        database="postgres",
    ),
    Fault(name="clock-back", what=_BACK, strike=_back, arrange=_arrange),
    Fault(
        name="clock-back-postgres",
        what=_BACK,
        strike=_back,
        arrange=_arrange,
        database="postgres",
    ),
)
