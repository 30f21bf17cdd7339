"""The web server: Granian, one process that serves, eight requests at a time.

One process, because SQLite has one writer and Python one lock; run more of them behind
a balancer on PostgreSQL.
"""

from __future__ import annotations

import os
import signal
import warnings
from typing import TYPE_CHECKING, Final

from django.conf import settings
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.mp import MPServer

from cdrhook.supervisor.child import die_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable

REQUEST_THREADS: Final = 64
# Requests that are taken in while those threads are busy; more wait in the kernel.
MAX_WAITING_REQUESTS: Final = 128


def serve() -> None:
    """Serves until SIGTERM or SIGINT."""
    parent_pid = os.getpid()

    def load(_target: str) -> Callable[..., object]:
        # Granian forks: its inner process must not outlive it either.
        die_with_parent(parent_pid, signal.SIGKILL)
        # Static files come straight from the packages; none have to be collected.
        warnings.filterwarnings("ignore", message="No directory at")
        from cdrhook.wsgi import application

        return application

    MPServer(
        "cdrhook.wsgi:application",
        address=settings.HOST,
        port=settings.PORT,
        interface=Interfaces.WSGI,
        blocking_threads=REQUEST_THREADS,
        backpressure=MAX_WAITING_REQUESTS,
        workers_kill_timeout=5,
        log_level=LogLevels.error,
        websockets=False,
    ).serve(target_loader=load)
