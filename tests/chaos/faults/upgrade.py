"""An upgrade: the tables are of the release before, rows wait, and so does the PBX.

The release before is made by taking the migrations back, which needs no Git history.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.chaos import template
from tests.chaos.values import Fault

if TYPE_CHECKING:
    from tests.chaos.scene import Scene

# The last migration of the release before.
BEFORE: Final = "0003"


def _upgrade(scene: Scene) -> None:
    scene.receivers.switch("/fast", "held")
    scene.wait(3.0)
    scene.up.kill()
    scene.crashed()
    scene.receivers.switch("/fast", "ok")
    template.command(scene.up.env, "migrate", "dispatcher", BEFORE, "--verbosity", "0")
    # The release before counted nothing.
    scene.counts_all = False
    scene.up.start()
    scene.up.wait_until_ready()


_WHAT: Final = "an upgrade with a pending migration, rows and calls waiting"

FAULTS: Final = (
    Fault(name="upgrade", what=_WHAT, strike=_upgrade, seconds=70, times=1),
    Fault(
        name="upgrade-postgres",
        what=_WHAT,
        strike=_upgrade,
        database="postgres",
        seconds=70,
        times=1,
    ),
)
