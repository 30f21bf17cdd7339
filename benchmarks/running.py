"""Runs rows one after the other, each in a process of its own, and keeps their results.

A row that fails does not stop the others. Whatever a row started ends with it: its
processes are one process group. Judges no speed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from benchmarks.values import NOT_INSTALLED, NOT_VERIFIED
from cdrhook.supervisor import child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from benchmarks.values import Row

# A row may take three times as long as it says, and this long in any case.
LEAST_SECONDS: Final = 180
TIMES: Final = 3
# Servers and workers are stopped one after the other.
STOP_SECONDS: Final = 90
FAILURES: Final = {
    NOT_VERIFIED: "could not be verified",
    NOT_INSTALLED: "needs a program that is not installed",
}


@dataclass(frozen=True, slots=True)
class Results:
    """A folder that holds a file of JSON for each row that was measured."""

    folder: Path

    def path(self, name: str) -> Path:
        """Of a row's result, whether there is one or not."""
        return self.folder / f"{name}.json"

    def read(self, name: str) -> dict[str, Any] | None:
        """A row's result; None where there is none."""
        try:
            kept: dict[str, Any] = json.loads(self.path(name).read_text())
        except FileNotFoundError:
            return None
        return kept

    def all(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """What there is of these, in their order."""
        return [kept for name in names if (kept := self.read(name)) is not None]

    def forget(self, *names: str) -> None:
        """Removes the results of rows."""
        for name in names:
            self.path(name).unlink(missing_ok=True)


def chosen(
    rows: Mapping[str, Row], asked: Sequence[str], results: Results
) -> list[Row]:
    """Rows to measure: those that are asked for; else those that have no result yet."""
    if asked:
        return [row for name, row in rows.items() if name in asked]
    return [row for row in rows.values() if results.read(row.name) is None]


def run_all(
    rows: Sequence[Row], results: Results, measure: Callable[[Row], str]
) -> dict[str, str]:
    """Measures one row after the other; by name, why those failed that did.

    `measure` gives that reason, or "". A row that failed has no result, not even the
    one that it had; what is interrupted leaves that one.
    """
    failed = {}
    for row in rows:
        print(f"== {row.name}: {row.title}", flush=True)
        if reason := measure(row):
            results.forget(row.name)
            failed[row.name] = reason
            print(f"== {row.name}: FAILED: {reason}", flush=True)
    return failed


def measure_by_itself(row: Row, results: Results, around: Path, *, quick: bool) -> str:
    """Measures a row in a process of its own; why it failed, or "".

    Its folder is made in `around` and removed, whatever became of the row.
    """
    work = around / f"work-{row.name}-{os.getpid()}"
    command = [
        *(sys.executable, "-m", "benchmarks.one", row.name),
        *(str(results.path(row.name)), "--work", str(work)),
        *(["--quick"] if quick else []),
    ]
    seconds = LEAST_SECONDS if quick else max(LEAST_SECONDS, TIMES * row.seconds)
    try:
        with group(command) as process:
            return reason_of(process, seconds)
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextlib.contextmanager
def group(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """The command as the leader of a process group of its own, which ends with it.

    Ctrl-C does not reach it. It is asked to end when this process dies.
    """
    process = subprocess.Popen(
        [
            *(sys.executable, "-I", "-S", child.__file__),
            *(str(os.getpid()), str(int(signal.SIGTERM)), *command),
        ],
        process_group=0,
        stdin=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        end(process)


def reason_of(process: subprocess.Popen[bytes], seconds: float) -> str:
    """Waits for the process; why it failed, or ""."""
    try:
        status = process.wait(seconds)
    except subprocess.TimeoutExpired:
        return f"it took more than {seconds:g} s"
    return FAILURES.get(status, f"it ended with status {status}") if status else ""


def end(process: subprocess.Popen[bytes]) -> None:
    """Has the leader stop what it started, in order; then kills what is left of it all.

    A second Ctrl-C does not wait for that order.
    """
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            process.wait(STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
