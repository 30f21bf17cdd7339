"""kill -9 of cdrhook's processes, and what `cdrhook up` does about it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from tests.chaos.processes import kill, until
from tests.chaos.values import Fault

if TYPE_CHECKING:
    import psutil

    from tests.chaos.scene import Scene

HELD_SECONDS: Final = 20.0


def _worker_mid_post(scene: Scene) -> None:
    """The receiver holds requests; the worker whose they are is killed."""
    began = time.time()
    scene.receivers.switch("/fast", "held")
    until("a request that is held", lambda: bool(_senders(scene, began)), HELD_SECONDS)
    scene.wait(0.3)
    kill(_senders(scene, began)[:1])
    scene.crashed()
    scene.receivers.switch("/fast", "ok")


def _senders(scene: Scene, since: float) -> list[psutil.Process]:
    """The workers that wait for an answer to a request that is held."""
    ports = {one.peer for one in scene.receivers.held("/fast", since)}
    return [
        worker
        for worker in scene.up.workers()
        if ports & {one.laddr.port for one in worker.net_connections("tcp4")}
    ]


def _all_workers(scene: Scene) -> None:
    kill(scene.up.workers())
    scene.crashed()


def _beat(scene: Scene) -> None:
    kill(scene.up.beat())


def _web(scene: Scene) -> None:
    kill(scene.up.web())
    scene.wait(0.5)
    until("the new web server's answer", lambda: _answers(scene), 60)


def _answers(scene: Scene) -> bool:
    scene.up.wait_until_ready()
    return True


def _broker(scene: Scene) -> None:
    kill(scene.up.broker())
    scene.wait(0.5)
    scene.up.wait_until_ready()


def _up(scene: Scene) -> None:
    scene.up.kill()
    scene.crashed()
    scene.wait(1.0)
    scene.up.start(scene.inside)
    scene.up.wait_until_ready()


_WORKER: Final = "kill -9 of a worker in the middle of a POST"
_WORKERS: Final = "kill -9 of all workers"
_UP_IT: Final = "kill -9 of `cdrhook up` itself, which is then started again"

FAULTS: Final = (
    Fault(name="kill-worker", what=_WORKER, strike=_worker_mid_post, seconds=60),
    Fault(
        name="kill-worker-postgres",
        what=_WORKER,
        strike=_worker_mid_post,
        database="postgres",
        seconds=60,
    ),
    Fault(name="kill-all-workers", what=_WORKERS, strike=_all_workers, seconds=60),
    Fault(
        name="kill-all-workers-postgres",
        what=_WORKERS,
        strike=_all_workers,
        database="postgres",
        seconds=60,
    ),
    Fault(name="kill-beat", what="kill -9 of beat", strike=_beat),
    Fault(name="kill-web", what="kill -9 of the web server", strike=_web),
    Fault(
        name="kill-web-postgres",
        what="kill -9 of the web server",
        strike=_web,
        database="postgres",
    ),
    Fault(name="kill-broker", what="kill -9 of the broker", strike=_broker),
    Fault(name="kill-up", what=_UP_IT, strike=_up, seconds=60),
    Fault(
        name="kill-up-postgres",
        what=_UP_IT,
        strike=_up,
        database="postgres",
        seconds=60,
    ),
)
