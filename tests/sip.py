"""Real calls: Kamailio accounts for what SIPp dials and answers, all on loopback."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cdrhook.supervisor.ports import free_port
from tests import debian
from tests.programs import running, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

OWN = Path(__file__).parent / "e2e" / "kamailio"
PACKAGES = ("kamailio", "kamailio-sqlite-modules", "sip-tester")
TALK_MILLISECONDS = 2500
SECONDS = 60


class Exchange:
    """A Kamailio that accounts into `database`, and phones that call through it."""

    def __init__(self, folder: Path) -> None:
        self.root = debian.root(("kamailio", "sipp"), *PACKAGES)
        self.folder, self.database = folder, folder / "acc.sqlite3"
        self.port, self.answering, self.busy = free_port(), free_port(), free_port()
        self.env = {**os.environ, **self.root.env}
        with sqlite3.connect(self.database) as connection:
            connection.executescript((OWN / "schema.sql").read_text())
        connection.close()
        modules = self.root.under_lib("kamailio/modules")
        if self.root.folder != Path("/"):
            self.env["LD_LIBRARY_PATH"] += f":{modules.parent}"
        text = (OWN / "kamailio.cfg").read_text()
        for word, value in {
            "PORT": self.port,
            "BUSY": self.busy,
            "ANSWERING": self.answering,
            "DATABASE": self.database,
            "MODULES": f"{modules}/",
        }.items():
            text = text.replace(f"%{word}%", str(value))
        (folder / "kamailio.cfg").write_text(text)

    @contextmanager
    def open(self) -> Iterator[None]:
        """Runs Kamailio."""
        kamailio = str(self.root.program("kamailio"))
        command = [kamailio, "-f", "kamailio.cfg", "-Y", "."]
        with (self.folder / "kamailio.log").open("wb") as log:
            process = subprocess.Popen(
                [*command, "-DD", "-E"],
                cwd=self.folder,
                env=self.env,
                stdout=log,
                stderr=log,
            )
            with running(process, signal.SIGTERM):
                wait_for("Kamailio's socket", lambda: is_taken(self.port))
                yield

    def call(self, number: str, times: int) -> None:
        """Has a number called so often that answers, a call a second."""
        self._between("answering.xml", self.answering, "caller.xml", number, times)

    def call_in_vain(self, number: str) -> None:
        """Has a number called that is busy: one that ends in 7."""
        self._between("busy.xml", self.busy, "refused_caller.xml", number, 1)

    def _between(
        self, callee: str, at_port: int, caller: str, number: str, times: int
    ) -> None:
        with ExitStack() as stack:
            phone = stack.enter_context(self._phone(callee, at_port, times))
            wait_for("the phone that is called", lambda: is_taken(at_port))
            target = f"127.0.0.1:{self.port}"
            dialled = ("-s", number, "-r", "1", "-d", str(TALK_MILLISECONDS))
            with self._phone(caller, free_port(), times, target, *dialled) as one:
                assert one.wait(SECONDS) == 0, self._screen(caller)
            assert phone.wait(SECONDS) == 0, self._screen(callee)

    @contextmanager
    def _phone(
        self, scenario: str, port: int, times: int, *words: str
    ) -> Iterator[subprocess.Popen[bytes]]:
        command = [str(self.root.program("sipp")), "-sf", str(OWN / scenario)]
        with (self.folder / f"{scenario}.screen").open("wb") as screen:
            process = subprocess.Popen(
                [
                    *command,
                    *("-i", "127.0.0.1", "-p", str(port), "-m", str(times), "-nostdin"),
                    *words,
                ],
                cwd=self.folder,
                env={"TERM": "dumb", **self.env},
                stdout=screen,
                stderr=screen,
            )
            try:
                yield process
            finally:
                process.kill()
                process.wait(10)

    def _screen(self, scenario: str) -> str:
        return (self.folder / f"{scenario}.screen").read_text(errors="replace")[-3000:]


def is_taken(port: int) -> bool:
    """Whether somebody listens on a UDP port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
