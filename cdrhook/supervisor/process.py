"""One supervised process: started, watched, started again, ended.

Each is a process group of its own, so that a Ctrl-C in the terminal reaches only the
supervisor, in the supervisor's session, so that operators find it there. Must be used
from the main thread: the kernel's parent-death signal is bound to the thread that
spawned.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

FIRST_DELAY_SECONDS: Final = 0.2
LONGEST_DELAY_SECONDS: Final = 10.0
# Who has lived this long is healthy: the next delay is the first again.
HEALTHY_AFTER_SECONDS: Final = 30.0

_CHILD: Final = str(Path(__file__).with_name("child.py"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run: `stage` 0 is stopped first; `grace_seconds` until it is killed.

    `death_signal` is what it gets when the supervisor is killed.
    """

    name: str
    command: tuple[str, ...]
    stage: int = 0
    grace_seconds: float = 2.0
    death_signal: int = signal.SIGKILL


def next_delay(previous_seconds: float, lived_seconds: float) -> float:
    """How long to wait before a process that ended is started again, in seconds.

    0.2 s, doubling to 10 s; from the start again after 30 s of life. `previous_seconds`
    is 0 the first time.
    """
    if previous_seconds == 0 or lived_seconds >= HEALTHY_AFTER_SECONDS:
        return FIRST_DELAY_SECONDS
    return min(previous_seconds * 2, LONGEST_DELAY_SECONDS)


class Process:
    """A Program and the process that runs it, if any."""

    def __init__(self, program: Program, *, inherited: Sequence[int] = ()) -> None:
        self.program = program
        self.start_again_at: float | None = None
        self._inherited = tuple(inherited)
        self._popen: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._delay_seconds = 0.0

    @property
    def is_running(self) -> bool:
        """Whether it was started and its end has not been noticed yet."""
        return self._popen is not None

    def start(self) -> IO[bytes]:
        """Starts it; gives the pipe that its output comes out of."""
        popen = subprocess.Popen(  # noqa: S603  the command is ours
            [
                *(sys.executable, "-I", "-S", _CHILD),
                *(str(os.getpid()), str(int(self.program.death_signal))),
                *self.program.command,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=self._inherited,
            process_group=0,
        )
        self._popen, self.start_again_at = popen, None
        self._started_at = time.monotonic()
        assert popen.stdout is not None  # noqa: S101  a pipe was asked for
        return popen.stdout

    def ended(self) -> str:
        """How it ended, as a phrase, if it has; '' while it runs.

        What it has left behind in its group is killed, and the time when it is to be
        started again is set.
        """
        if self._popen is None or (code := self._popen.poll()) is None:
            return ""
        self._kill_group()
        self._popen = None
        now = time.monotonic()
        self._delay_seconds = next_delay(self._delay_seconds, now - self._started_at)
        self.start_again_at = now + self._delay_seconds
        return (
            f"was killed by {signal.Signals(-code).name}"
            if code < 0
            else f"ended with exit code {code}"
        )

    @property
    def delay_seconds(self) -> float:
        """The wait between its last end and its next start."""
        return self._delay_seconds

    def terminate(self) -> None:
        """Asks it to stop."""
        if self._popen is not None:
            self._popen.terminate()

    def kill(self) -> None:
        """Ends it and everything in its group, now."""
        if self._popen is not None:
            self._kill_group()
            self._popen.wait()
            self._popen = None

    def _kill_group(self) -> None:
        # Granian's inner process is in the group, too.
        if self._popen is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._popen.pid, signal.SIGKILL)
