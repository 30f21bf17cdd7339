"""Where a row is measured: a database, Valkey, receivers, and cdrhook's own processes.

Everything listens on 127.0.0.1 and is stopped by process id. The process that holds a
Stage is a Django process with the stage's database, so that rows may use the models;
the load that is measured runs in processes of its own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import psutil
import psycopg

from benchmarks.nginx import Nginx
from cdrhook.supervisor.ports import free_port
from tests import programs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

DATABASE: Final = "bench"
POSTGRES_OPTIONS: Final = (
    "max_connections=200",
    "shared_buffers=1GB",
    "max_wal_size=8GB",
    "checkpoint_timeout=15min",
    "synchronous_commit=on",
    "shared_preload_libraries=pg_stat_statements",
    "log_lock_waits=on",
    "deadlock_timeout=100ms",
    "log_checkpoints=off",
)
STOP_SECONDS: Final = 25
READY_SECONDS: Final = 60


class Stage:
    """Use as a context. `work` is its folder; `settings` what its processes get beside.

    `sqlite`: the database is a file of SQLite's in `work`, instead of PostgreSQL.
    `postgres`: options for PostgreSQL beside POSTGRES_OPTIONS.
    """

    def __init__(
        self,
        work: Path,
        settings: Mapping[str, str] | None = None,
        *,
        sqlite: bool = False,
        postgres: Sequence[str] = (),
    ) -> None:
        self.work = work
        self._postgres_options = (*POSTGRES_OPTIONS, *postgres)
        self.sqlite = sqlite
        self._stack = contextlib.ExitStack()
        self._postgres_port = free_port()
        self._valkey_port = free_port()
        self.web_port = free_port()
        self.postgres_pid = self.valkey_pid = 0
        self.settings = {
            "CDRHOOK_DATA_DIR": str(work),
            "CDRHOOK_ALLOW_HTTP": "1",
            "CDRHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
            "DATABASE_URL": self.database_url(),
            "REDIS_URL": f"redis://127.0.0.1:{self._valkey_port}/0",
            "SECRET_KEY": "a key for benchmarks only, which protects nothing at all",
            "FIELD_ENCRYPTION_KEYS": "",
            "DEBUG": "0",
            "HOST": "127.0.0.1",
            "PORT": str(self.web_port),
            "PUBLIC_URL": f"http://127.0.0.1:{self.web_port}",
            "ALLOWED_HOSTS": "127.0.0.1",
            # As an operator would who sends a thousand a second.
            "LOG_LEVEL": "WARNING",
            **(settings or {}),
        }

    def __enter__(self) -> Stage:
        """Starts the servers, sets this process's environment, makes the tables."""
        import django

        self.work.mkdir(parents=True)
        try:
            if not self.sqlite:
                self.postgres_pid = self._stack.enter_context(
                    programs.postgres(
                        self.work, self._postgres_port, self._postgres_options
                    )
                )
                self.sql(f"CREATE DATABASE {DATABASE}", database="postgres")
            self.valkey_pid = self._stack.enter_context(
                programs.valkey(self.work, self._valkey_port)
            )
            os.environ.update(self.settings)
            os.environ["DJANGO_SETTINGS_MODULE"] = "cdrhook.settings"
            django.setup()
            self.migrate()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        from django.apps import apps

        try:
            if apps.ready:
                self.leave_database()
        finally:
            self._stack.close()
            shutil.rmtree(self.work, ignore_errors=True)

    # The database ---------------------------------------------------------------------

    def database_url(self, name: str = DATABASE) -> str:
        """Of a database of the stage's server, or its file."""
        if self.sqlite:
            return f"sqlite:///{self._file(name).absolute()}"
        return programs.postgres_url(self._postgres_port, name)

    @property
    def broker_url(self) -> str:
        """The stage's Valkey."""
        return self.settings["REDIS_URL"]

    def _file(self, name: str = DATABASE) -> Path:
        return self.work / f"{name}.sqlite3"

    def migrate(self) -> None:
        """Makes the tables."""
        from django.core.management import call_command

        call_command("migrate", verbosity=0)

    def sql(self, statement: str, *values: Any, database: str = DATABASE) -> list[Any]:
        """Runs a statement outside of Django; gives its rows, if it has any."""
        if self.sqlite:
            return self._sqlite(statement, values)
        with psycopg.connect(self.database_url(database), autocommit=True) as connected:
            cursor = connected.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def _sqlite(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        opened = sqlite3.connect(self._file(), timeout=30, isolation_level=None)
        with contextlib.closing(opened):
            return opened.execute(statement.replace("%s", "?"), values).fetchall()

    def keep(self, name: str) -> None:
        """Keeps the database as it is now, analysed, to restore it before a round."""
        self.leave_database()
        if self.sqlite:
            self._sqlite("ANALYZE")
            self._sqlite("PRAGMA wal_checkpoint(TRUNCATE)")
            shutil.copyfile(self._file(), self._file(name))
            return
        self.sql("VACUUM ANALYZE")
        self.sql(f"CREATE DATABASE {name} TEMPLATE {DATABASE}", database="postgres")

    def restore(self, name: str) -> None:
        """Goes back to what was kept under that name; nothing may be connected."""
        self.leave_database()
        if self.sqlite:
            for rest in self.work.glob(f"{DATABASE}.sqlite3*"):
                rest.unlink()
            shutil.copyfile(self._file(name), self._file())
        else:
            drop = f"DROP DATABASE {DATABASE} WITH (FORCE)"
            self.sql(drop, database="postgres")
            self.sql(f"CREATE DATABASE {DATABASE} TEMPLATE {name}", database="postgres")
            self.sql("CHECKPOINT")
        self.flush_broker()

    def flush_broker(self) -> None:
        """Empties Valkey."""
        from redis import Redis

        Redis.from_url(self.broker_url).flushall()

    def leave_database(self) -> None:
        """Closes this process's connections to it, its pool included."""
        from django.db import connections

        connections.close_all()
        if not self.sqlite:
            ours: Any = connections["default"]
            ours.close_pool()

    # Processes ------------------------------------------------------------------------

    @contextlib.contextmanager
    def process(
        self, command: Sequence[str], name: str, **env: str
    ) -> Iterator[psutil.Process]:
        """A process of the stage, stopped in order at the end; its log in `work`."""
        with (self.work / f"{name}.log").open("ab") as log:
            started = subprocess.Popen(
                command,
                env={**os.environ, **self.settings, **env},
                stdout=log,
                stderr=log,
            )
        try:
            yield psutil.Process(started.pid)
        finally:
            started.send_signal(signal.SIGTERM)
            try:
                started.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait()

    @contextlib.contextmanager
    def workers(self, fast: int = 2, slow: int = 1, **env: str) -> Iterator[Group]:
        """Workers as `cdrhook up` starts them, ready to drain; on SQLite, one for all."""
        from cdrhook.supervisor.programs import worker

        wanted = [worker(f"fast{n}", f"fast{n}", "fast") for n in range(1, fast + 1)]
        wanted += [worker(f"slow{n}", f"slow{n}", "slow") for n in range(1, slow + 1)]
        if self.sqlite:
            wanted = [worker("worker", "all", "fast,slow")]
        with contextlib.ExitStack() as stack:
            before = self._workers_known()
            started = [
                stack.enter_context(self.process(one.command, one.name, **env))
                for one in wanted
            ]
            programs.wait_for(
                "the workers' first sign of life",
                lambda: len(self._workers_known() - before) >= len(wanted),
                READY_SECONDS,
            )
            yield Group(started)

    def _workers_known(self) -> set[tuple[bytes, float]]:
        from redis import Redis

        from dispatcher.broker import WORKERS_KEY

        with Redis.from_url(self.broker_url) as client:
            return set(client.zrange(WORKERS_KEY, 0, -1, withscores=True))

    @contextlib.contextmanager
    def web(self, **env: str) -> Iterator[Group]:
        """The web server, answering."""
        import requests

        from cdrhook.supervisor.programs import web

        def answers() -> bool:
            try:
                return requests.get(f"{self.web_url}/healthz", timeout=2).ok
            except requests.RequestException:
                return False

        with self.process(web().command, "web", **env) as started:
            programs.wait_for("the web server's first answer", answers, READY_SECONDS)
            yield Group([started])

    @property
    def web_url(self) -> str:
        """Where the web server answers."""
        return self.settings["PUBLIC_URL"]

    @contextlib.contextmanager
    def beat(self, **env: str) -> Iterator[Group]:
        """The sweep's clock."""
        from cdrhook.supervisor.programs import beat

        with self.process(beat().command, "beat", **env) as started:
            yield Group([started])

    @contextlib.contextmanager
    def module(self, name: str, *arguments: str, **env: str) -> Iterator[Group]:
        """`python -m name`, without waiting for anything."""
        command = (sys.executable, "-m", name, *arguments)
        with self.process(command, name.rpartition(".")[2], **env) as started:
            yield Group([started])

    def nginx(self, **options: Any) -> contextlib.AbstractContextManager[Nginx]:
        """A receiver in C; see there."""
        return Nginx(self.work, **options)

    def postgres_cpu(self) -> float:
        """CPU seconds of PostgreSQL so far, of its processes that have ended too.

        On SQLite none: what the database costs there is part of the workers' own.
        """
        if self.sqlite:
            return 0.0
        postmaster = psutil.Process(self.postgres_pid)
        ended = postmaster.cpu_times()
        alive = Group(postmaster.children())
        own = ended.user + ended.system
        return own + ended.children_user + ended.children_system + alive.cpu()


class Group:
    """Processes that are measured together, their children included."""

    def __init__(self, processes: Sequence[psutil.Process]) -> None:
        self.processes = list(processes)

    def _all(self) -> Iterator[psutil.Process]:
        for process in self.processes:
            yield process
            with contextlib.suppress(psutil.NoSuchProcess):
                yield from process.children(recursive=True)

    def cpu(self) -> float:
        """CPU seconds so far."""
        total = 0.0
        for process in self._all():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def pss(self) -> int:
        """Proportional set size in bytes: shared pages are divided among sharers."""
        total = 0
        for process in self._all():
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_full_info().pss
        return total


def until(
    what: str, holds: Callable[[], bool], seconds: float, every: float = 0.02
) -> float:
    """Waits until it holds; the time that it took, in seconds. Raises AssertionError."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > seconds:
            raise AssertionError(f"{what} did not happen within {seconds} s")
        time.sleep(every)
    return time.monotonic() - began
