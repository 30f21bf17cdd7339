"""Processes of a run: started, found, killed. All die with the run, by the kernel."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil

from cdrhook.supervisor import child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

ROOT: Final = Path(__file__).parents[2]
STOP_SECONDS: Final = 25.0


def spawn(
    command: Sequence[str | Path],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
    user: str | None = None,
    stdin: int = subprocess.DEVNULL,
    stdout: int | None = None,
    death_signal: int = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Starts a program that dies with this process; its output is added to `log`.

    Only from the main thread: the kernel's parent-death signal is bound to it.
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            [*_dying_with_us(death_signal, user), *map(str, command)],
            env=None if env is None else dict(env),
            cwd=cwd,
            stdin=stdin,
            stdout=output if stdout is None else stdout,
            stderr=output,
        )


def _dying_with_us(death_signal: int, user: str | None) -> list[str]:
    """What runs a command so. Another user may not be let into our Python's folder."""
    if user is None:
        asking = [sys.executable, "-I", "-S", child.__file__]
        return [*asking, str(os.getpid()), str(int(death_signal))]
    dies = ["--pdeathsig", signal.Signals(death_signal).name]
    return ["setpriv", "--reuid", user, "--clear-groups", *dies]


def end(process: subprocess.Popen[bytes], how: int = signal.SIGTERM) -> None:
    """Asks it to stop, kills it after STOP_SECONDS, and waits."""
    if process.poll() is None:
        process.send_signal(how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    process.kill()
    process.wait()


def kill(processes: Iterable[psutil.Process]) -> int:
    """kill -9, all of them first, then waits; how many there were."""
    killed = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
            killed.append(process)
    psutil.wait_procs(killed, timeout=STOP_SECONDS)
    return len(killed)


def family(pid: int) -> list[psutil.Process]:
    """A process and all below it."""
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def until(
    what: str, holds: Callable[[], bool], seconds: float, every: float = 0.05
) -> float:
    """Waits until it holds; the seconds it took. Raises AssertionError."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > seconds:
            raise AssertionError(f"{what} did not happen within {seconds:g} s")
        time.sleep(every)
    return time.monotonic() - began
