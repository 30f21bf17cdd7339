"""PostgreSQL and Valkey of a run, which may be stopped, killed and started again."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING, Final

from cdrhook.supervisor.ports import free_port
from cdrhook.supervisor.valkey import find_server
from tests import programs
from tests.chaos.processes import end, spawn, until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

START_SECONDS: Final = 60.0
DATABASE: Final = "cdrhook"


class Postgres:
    """A copy of the template's cluster, on a port of its own."""

    def __init__(self, folder: Path, template: Path) -> None:
        self._home = folder / "postgres"
        self._log = folder / "postgres.log"
        self._user = programs.postgres_user()
        self._programs = programs.postgres_programs(template, self._user)
        self.port = free_port()
        self.url = programs.postgres_url(self.port, DATABASE)
        subprocess.run(
            ["cp", "-a", template / "postgres", self._home], check=True, timeout=60
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it, and waits until it takes connections."""
        self._process = spawn(
            [
                *(self._programs / "postgres", "-D", self._home / "data"),
                *("-p", str(self.port), "-h", "127.0.0.1", "-k", self._home),
                *("-c", "max_connections=200"),
            ],
            self._log,
            cwd=self._home,
            user=self._user,
            # As `pg_ctl -m immediate`: its processes end at once, and write nothing.
            death_signal=signal.SIGQUIT,
        )
        until(
            "PostgreSQL's first answer",
            lambda: programs.postgres_answers(self.port),
            START_SECONDS,
        )

    def stop_immediately(self) -> None:
        """As `pg_ctl -m immediate stop`: no checkpoint, sessions are cut off."""
        if self._process is not None:
            end(self._process, signal.SIGQUIT)


class Valkey:
    """A Valkey on a port of its own, which keeps nothing unless `keep_in` says so."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._log = folder, folder / "valkey.log"
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._inside: Sequence[str] = ()
        self._durable = False
        self._process: subprocess.Popen[bytes] | None = None

    def keep_in(self, folder: Path, inside: Sequence[str]) -> None:
        """Has it keep an append-only file, as `cdrhook up` has its own; see `disk`."""
        self.folder, self._inside, self._durable = folder, inside, True

    def start(self) -> None:
        """Starts it, and waits for its answer."""
        self._process = spawn(
            [
                *(*self._inside, find_server(), "--port", str(self.port)),
                *("--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)),
                *("--appendonly", "yes" if self._durable else "no"),
            ],
            self._log,
        )
        until("Valkey's answer", lambda: programs.valkey_answers(self.port), 30)

    @property
    def pid(self) -> int:
        """Of the server."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """kill -9: nothing is written out first."""
        if self._process is not None:
            end(self._process, signal.SIGKILL)
