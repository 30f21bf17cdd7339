"""What there should be one of, twice."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from celery import Celery
from redis import Redis

from tests.chaos.values import Fault

if TYPE_CHECKING:
    from tests.chaos.scene import Scene

_SWEEPS: Final = 20


def _beats(scene: Scene) -> None:
    scene.parts.start_one("second-beat")
    scene.wait(4.0)
    _forget_messages(scene)
    scene.wait(6.0)
    scene.parts.stop_one("second-beat")


def _sweepers(scene: Scene) -> None:
    """Two sweeps at a time, again and again, and nothing but them to wake webhooks."""
    sending = [threading.Thread(target=_sweep, args=(scene,)) for _ in range(2)]
    for thread in sending:
        thread.start()
    for _ in range(4):
        _forget_messages(scene)
        scene.wait(1.0)
    for thread in sending:
        thread.join()


def _sweep(scene: Scene) -> None:
    with Celery(broker=scene.valkey.url) as app:
        for _ in range(_SWEEPS):
            app.send_task("dispatcher.sweep", queue="fast")
            scene.wait(0.25)


def _forget_messages(scene: Scene) -> None:
    with Redis.from_url(scene.valkey.url) as broker:
        broker.delete("fast", "slow")


FAULTS: Final = (
    Fault(
        name="two-beats",
        what="two beats",
        strike=_beats,
        database="postgres",
        parts=True,
    ),
    Fault(
        name="two-sweepers",
        what="two sweeps at a time, wake-ups lost",
        strike=_sweepers,
        database="postgres",
        parts=True,
    ),
)
