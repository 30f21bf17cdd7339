"""Stand-in children under a real supervisor in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

from tests.programs import wait_for

if TYPE_CHECKING:
    import signal

SCRIPT = """
import json, sys
from cdrhook.supervisor.output import Output
from cdrhook.supervisor.process import Program
from cdrhook.supervisor.signals import Signals
from cdrhook.supervisor.supervisor import Supervisor

output = Output(sys.stdout.buffer, sys.stderr.buffer)
with Signals() as signals:
    supervisor = Supervisor(output, signals)
    programs = json.loads(sys.argv[1])
    supervisor.start(*(Program(**{**one, "command": tuple(one["command"])}) for one in programs))
    try:
        supervisor.watch()
    finally:
        supervisor.stop()
        output.flush()
"""


def shell(name: str, script: str, **settings: object) -> dict[str, object]:
    """A program that runs a shell script."""
    return {"name": name, "command": ["sh", "-c", script], **settings}


class Supervised:
    """A context: the supervisor and its children; `lines` is what they print."""

    def __init__(self, *programs: dict[str, object]) -> None:
        self.lines: list[str] = []
        self._came = threading.Condition()
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, json.dumps(programs)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Supervised:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.members():
            with suppress(psutil.NoSuchProcess):  # it died with its parent just now
                process.kill()
        self.process.wait()
        self._reader.join(5)

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                with self._came:
                    self.lines.append(line.rstrip())
                    self._came.notify_all()

    def wait_for_line(self, text: str, times: int = 1, seconds: float = 10) -> None:
        """Returns once as many lines contain the text."""

        def came() -> bool:
            return sum(text in line for line in self.lines) >= times

        with self._came:
            assert self._came.wait_for(came, seconds), self.lines

    def members(self) -> list[psutil.Process]:
        """Everything that runs in its session, itself included."""
        return processes_of_session(self.process.pid)

    def end(self, *numbers: signal.Signals, seconds: float = 10) -> int:
        """Sends signals; its exit code."""
        for number in numbers:
            os.kill(self.process.pid, number)
        return self.process.wait(seconds)


def processes_of_session(session: int) -> list[psutil.Process]:
    """The living processes of a session, zombies not among them."""
    return [
        process
        for process in psutil.process_iter()
        if is_alive(process) and _session_of(process) == session
    ]


def _session_of(process: psutil.Process) -> int | None:
    try:
        return os.getsid(process.pid)
    except ProcessLookupError:
        return None


def is_alive(process: psutil.Process) -> bool:
    """Whether it runs; a zombie that nobody has waited for does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def is_pid_alive(pid: int) -> bool:
    """The same of a process id."""
    try:
        return is_alive(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return False


def wait_until_gone(processes: list[psutil.Process], seconds: float) -> None:
    """Fails where one of them is left after the time."""
    wait_for(
        "the end of all processes",
        lambda: not any(is_alive(process) for process in processes),
        seconds,
    )
