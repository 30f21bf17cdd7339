"""`cdrhook up` as the demo runs it: a child, on loopback, with a folder of its own.

Takes nothing over from a real installation: neither its database nor its broker.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from typing import IO, TYPE_CHECKING, Final

from cdrhook.demo.memory import ADMIN
from cdrhook.supervisor.ports import free_port
from cdrhook.supervisor.process import Process, Program
from cdrhook.supervisor.ready import is_ready

if TYPE_CHECKING:
    from pathlib import Path

    from cdrhook.demo.screen import Screen
    from cdrhook.supervisor.signals import Signals

HOST: Final = "127.0.0.1"
READY_WITHIN_SECONDS: Final = 90.0
# `up` itself takes less than 20 s.
STOPPED_WITHIN_SECONDS: Final = 25.0
LOG_NAME: Final = "demo.log"


class StackError(Exception):
    """Why the demo cannot go on."""


def choose_port(wanted: int) -> int:
    """The port, or a free one where somebody listens on it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError:
            return free_port()
    return wanted


def use_environment(
    folder: Path, port: int, password: str, *, feed_seconds: int
) -> None:
    """Sets this process's environment, which its children get, to the demo's.

    Empty values, because those of a `.env` would hold for variables that are absent.
    """
    os.environ.update(
        {
            "CDRHOOK_DATA_DIR": str(folder),
            "HOST": HOST,
            "PORT": str(port),
            "PUBLIC_URL": f"http://{HOST}:{port}",
            "ALLOWED_HOSTS": f"{HOST},localhost",
            "CDRHOOK_ALLOW_HTTP": "1",
            "CDRHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
            "CDRHOOK_FEED_SECONDS": str(feed_seconds),
            "CDRHOOK_RECORDINGS_DIR": "",
            "CDRHOOK_RECORDINGS_STORAGE": "",
            "CDRHOOK_RECORDINGS_STORAGE_OPTIONS": "",
            "DJANGO_SUPERUSER_USERNAME": ADMIN,
            "DJANGO_SUPERUSER_PASSWORD": password,
            "DATABASE_URL": "",
            "REDIS_URL": "",
            "SECRET_KEY": "",
        }
    )


class Stack:
    """The child and its log, `demo.log` in the data folder."""

    def __init__(self, folder: Path, port: int, screen: Screen) -> None:
        self._log = folder / LOG_NAME
        self._port = port
        self._screen = screen
        self._is_starting = True
        self._process = Process(
            Program(
                name="up",
                command=(sys.executable, "-m", "cdrhook", "up"),
                # Killed with the demo: it stops its own children in order.
                death_signal=signal.SIGTERM,
            )
        )

    def start(self) -> None:
        """Starts it."""
        pipe = self._process.start()
        threading.Thread(target=self._read, args=(pipe,), daemon=True).start()

    def wait_until_ready(self, signals: Signals) -> None:
        """Returns once everything answers; StackError where it does not."""
        give_up_at = time.monotonic() + READY_WITHIN_SECONDS
        while not is_ready(HOST, self._port, HOST):
            self.check()
            if time.monotonic() > give_up_at:
                raise StackError(f"not ready after {READY_WITHIN_SECONDS:.0f} s")
            signals.wait(0.1)
        self._is_starting = False

    def check(self) -> None:
        """Raises StackError where it has ended by itself."""
        if how := self._process.ended():
            raise StackError(f"`cdrhook up` {how}")

    def stop(self, signals: Signals) -> None:
        """Stops it and waits until nothing of it is left."""
        self._process.terminate()
        give_up_at = time.monotonic() + STOPPED_WITHIN_SECONDS
        passed_on = False
        while self._process.is_running and not self._process.ended():
            if signals.hurry and not passed_on:
                passed_on = True
                self._process.terminate()
            if time.monotonic() > give_up_at:
                self._process.kill()
                return
            signals.wait(0.2)

    def last_lines(self, count: int = 15) -> list[str]:
        """The end of the log."""
        try:
            return self._log.read_text(errors="replace").splitlines()[-count:]
        except FileNotFoundError:
            return []

    def _read(self, pipe: IO[bytes]) -> None:
        with pipe, self._log.open("wb", buffering=0) as log:
            while line := pipe.readline(65536):
                log.write(line)
                name, _, text = line.decode(errors="replace").partition(" | ")
                if self._is_starting and name.strip() == "up":
                    self._screen.line(f"  {text.rstrip()}")
