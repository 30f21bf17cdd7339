"""Stopped and started again as operators do: nothing may even be repeated."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

from tests.chaos.processes import until
from tests.chaos.stack import is_ready
from tests.chaos.values import Fault

if TYPE_CHECKING:
    from tests.chaos.scene import Scene

# cdrhook says 20; the machine may do other things.
STOP_SECONDS: Final = 24.0


def _stop(scene: Scene) -> None:
    began = time.monotonic()
    status = scene.up.stop()
    took = time.monotonic() - began
    scene.say(f"stopped within {took:.1f} s")
    scene.expect(status == 0, f"bad end: `cdrhook up` ended with status {status}")
    scene.expect(took < STOP_SECONDS, f"slow end: it took {took:.1f} s")
    scene.up.start(scene.inside)
    scene.up.wait_until_ready()


def _roll(scene: Scene) -> None:
    parts = scene.parts
    for name in parts.names():
        parts.stop_one(name)
        parts.start_one(name)
        if name.startswith("web"):
            url = parts.urls[int(name.removeprefix("web")) - 1]
            until(f"readiness of {name}", partial(is_ready, url), 60)
        else:
            scene.wait(2.0, 1.0)


_STOPPED: Final = "SIGTERM under load, then started again"
_ROLLING: Final = "a rolling restart of two web servers, three workers and beat"

FAULTS: Final = (
    Fault(name="sigterm", what=_STOPPED, strike=_stop, seconds=60),
    Fault(
        name="sigterm-postgres",
        what=_STOPPED,
        strike=_stop,
        database="postgres",
        seconds=60,
    ),
    Fault(
        name="rolling-restart",
        what=_ROLLING,
        strike=_roll,
        database="postgres",
        parts=True,
        seconds=90,
    ),
)
