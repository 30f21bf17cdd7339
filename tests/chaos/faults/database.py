"""PostgreSQL is restarted without a shutdown, or away."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from tests.chaos.evidence import BUSY
from tests.chaos.values import Fault

if TYPE_CHECKING:
    from tests.chaos.scene import Scene
    from tests.chaos.servers import Postgres


def _restart(scene: Scene) -> None:
    postgres = _of(scene)
    postgres.stop_immediately()
    scene.crashed()
    postgres.start()


def _away(scene: Scene) -> None:
    postgres = _of(scene)
    postgres.stop_immediately()
    scene.crashed()
    began = time.time()
    scene.wait(60, 10)
    meanwhile = [one for one in scene.pbx.read() if one.sent > began]
    refused = [one for one in meanwhile if one.status == BUSY]
    scene.expect(refused, "no 503: nothing was refused while PostgreSQL was away")
    postgres.start()


def _of(scene: Scene) -> Postgres:
    assert scene.postgres is not None
    return scene.postgres


FAULTS: Final = (
    Fault(
        name="postgres-restart",
        what="PostgreSQL restarted (`pg_ctl -m immediate`)",
        strike=_restart,
        database="postgres",
        seconds=60,
    ),
    Fault(
        name="postgres-away",
        what="PostgreSQL away for a minute",
        strike=_away,
        database="postgres",
        patience=150,
        seconds=120,
    ),
)
