"""The web server: Granian, one process that serves, its requests on 64 threads.

One process, because SQLite has one writer and Python one lock; run more of them behind
a balancer on PostgreSQL.
"""

from __future__ import annotations

import os
import resource
import signal
import warnings
from typing import TYPE_CHECKING, Final

from django.conf import settings
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer

from cdrhook.supervisor.child import die_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable

# Open at once; more wait in the kernel.
MAX_CONNECTIONS: Final = 8192
# Files that the process opens beside them: databases, brokers, recordings.
OTHER_FILES: Final = 512
# From a connection's start, or the last answer on it, until the next request's headers
# are there.
HEADER_MILLISECONDS: Final = 30_000
# What is read ahead of a connection, and the most that headers take.
READ_AHEAD_BYTES: Final = 128 * 1024


def serve() -> None:
    """Serves until SIGTERM or SIGINT."""
    parent_pid = os.getpid()

    def load(_target: str) -> Callable[..., object]:
        # Granian forks: its inner process must not outlive it either.
        die_with_parent(parent_pid, signal.SIGKILL)
        # Static files come straight from the packages; none have to be collected.
        warnings.filterwarnings("ignore", message="No directory at")
        from cdrhook.rsgi import Application
        from cdrhook.wsgi import application

        seconds = settings.CDRHOOK_UPLOAD_SECONDS
        return Application(application, upload_seconds=seconds)

    MPServer(
        "cdrhook.rsgi:Application",
        address=settings.HOST,
        port=settings.PORT,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(
            header_read_timeout=HEADER_MILLISECONDS, max_buffer_size=READ_AHEAD_BYTES
        ),
        backlog=2048,
        backpressure=_connections(),
        workers_kill_timeout=5,
        log_level=LogLevels.error,
        websockets=False,
    ).serve(target_loader=load)


def _connections() -> int:
    """As many as this process may open files, and no more than MAX_CONNECTIONS."""
    _, allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + OTHER_FILES
    files = wanted if allowed == resource.RLIM_INFINITY else min(allowed, wanted)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, allowed))
    return max(files - OTHER_FILES, files // 2)
