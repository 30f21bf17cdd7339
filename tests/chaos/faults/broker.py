"""The broker forgets everything, or is away."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from redis import Redis

from tests.chaos.values import Fault

if TYPE_CHECKING:
    from tests.chaos.scene import Scene

_FLUSHES: Final = 5


def _flush(scene: Scene) -> None:
    runtime = json.loads((scene.data / "runtime.json").read_text())
    with Redis.from_url(runtime["redis_url"]) as broker:
        for _ in range(_FLUSHES):
            broker.flushall()
            scene.wait(0.7)


def _away(scene: Scene) -> None:
    scene.valkey.stop()
    scene.wait(300, 12)
    scene.valkey.start()


_AWAY: Final = "the broker is away for 5 minutes"

FAULTS: Final = (
    Fault(name="flush-broker", what="FLUSHALL, five times", strike=_flush),
    Fault(
        name="flush-broker-postgres",
        what="FLUSHALL, five times",
        strike=_flush,
        database="postgres",
    ),
    Fault(
        name="broker-away",
        what=_AWAY,
        strike=_away,
        broker="apart",
        database="postgres",
        patience=400,
        seconds=400,
        times=1,
    ),
)
