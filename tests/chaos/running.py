"""Runs faults, several at a time, each run in a process and a folder of its own.

A run that failed leaves its folder in var/chaos/failed; all others leave nothing.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.machine import commit
from cdrhook.supervisor import child
from tests.chaos.processes import ROOT
from tests.chaos.results import FOLDER
from tests.chaos.template import MAKERS
from tests.chaos.values import CANNOT_RUN, Fault, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

# A run may take this much longer than it says, on a machine that does other things.
GRACE_SECONDS: Final = 420.0
STOP_SECONDS: Final = 60.0
# Failures whose folders are kept; older ones go.
KEPT: Final = 20


class Runner:
    """A context: makes the templates, and removes every folder at the end."""

    def __init__(self, *, quick: bool, rate: float) -> None:
        self._options = ["--rate", str(rate), *(["--quick"] if quick else [])]
        self._quick = quick
        self._folder = Path()

    def __enter__(self) -> Runner:
        # Where a Unix socket's path is short enough.
        self._folder = Path(tempfile.mkdtemp(prefix="cdrhook-chaos-"))
        # PostgreSQL may run as somebody else.
        self._folder.chmod(0o755)
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def run(
        self,
        faults: Sequence[tuple[Fault, int]],
        jobs: int,
        done: Callable[[Result], None],
    ) -> list[str]:
        """Runs them all, in order, `jobs` at a time, each fault made that many times in
        its run; those that cannot be run here."""
        for database in sorted({fault.database for fault, _ in faults}):
            print(f"== Making the template for {database}", flush=True)
            MAKERS[database](self._folder / database)
        waiting, cannot = list(enumerate(faults)), []
        running: list[Run] = []
        with contextlib.ExitStack() as stack:
            while waiting or running:
                while waiting and len(running) < jobs:
                    number, (fault, times) = waiting.pop(0)
                    run = Run(fault, times, self._folder / f"{number}", self._folder)
                    stack.enter_context(run.started(self._options))
                    running.append(run)
                for run in [one for one in running if one.is_over()]:
                    running.remove(run)
                    result = run.result(quick=self._quick)
                    if result is None:
                        cannot.append(run.fault.name)
                    else:
                        done(result)
                time.sleep(0.1)
        return cannot


class Run:
    """One run; what it started ends with it."""

    def __init__(self, fault: Fault, times: int, work: Path, templates: Path) -> None:
        self.fault, self._times = fault, times
        self._work, self._templates = work, templates
        self._began = time.monotonic()
        self._ended = False
        self._process: subprocess.Popen[bytes] | None = None

    @contextlib.contextmanager
    def started(self, options: Sequence[str]) -> Iterator[None]:
        """Starts it, as the leader of a group; at the end there is nothing left of it."""
        self._work.mkdir(mode=0o755)
        with (self._work / "run.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", child.__file__),
                    *(str(os.getpid()), str(int(signal.SIGTERM))),
                    *(sys.executable, "-m", "tests.chaos.one", self.fault.name),
                    *(str(self._work), str(self._templates / self.fault.database)),
                    *("--times", str(self._times), *options),
                ],
                process_group=0,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            yield
        finally:
            self._end()

    def is_over(self) -> bool:
        """Whether it has ended, or has taken too long and is ended now."""
        assert self._process is not None
        if self._process.poll() is not None:
            return True
        once = self.fault.seconds + self.fault.patience
        limit = self._times * once + GRACE_SECONDS
        return time.monotonic() - self._began > limit

    def result(self, *, quick: bool) -> Result | None:
        """What it wrote; None where this fault cannot be had on this machine."""
        self._end()
        assert self._process is not None
        if self._process.returncode == CANNOT_RUN:
            print(self._log(), end="", flush=True)
            return None
        try:
            found = Result(**json.loads((self._work / "result.json").read_text()))
        except FileNotFoundError:
            found = self._broken(quick=quick)
        if found.passed:
            shutil.rmtree(self._work, ignore_errors=True)
            return found
        return replace(found, kept=str(_keep(self._work, self.fault.name)))

    def _broken(self, *, quick: bool) -> Result:
        return Result(
            fault=self.fault.name,
            database=self.fault.database,
            commit=commit(),
            at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            quick=quick,
            times=self._times,
            took=round(time.monotonic() - self._began, 1),
            problems=["the run broke: it ended, or was ended, without a result"],
        )

    def _log(self) -> str:
        return (self._work / "run.log").read_text(errors="replace")

    def _end(self) -> None:
        """Once: later on, the group's number may be somebody else's."""
        if self._ended or self._process is None:
            return
        self._ended = True
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _keep(work: Path, name: str) -> Path:
    """Moves a run's folder to where it stays; the oldest go."""
    failed = FOLDER / "failed"
    failed.mkdir(parents=True, exist_ok=True)
    at = dt.datetime.now(dt.UTC).strftime("%Y%m%d-%H%M%S-%f")
    kept = Path(shutil.move(work, failed / f"{at}-{name}"))
    for old in sorted(failed.iterdir())[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return kept
