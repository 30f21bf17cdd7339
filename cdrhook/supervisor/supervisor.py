"""Keeps programs running until told to stop, then ends them stage by stage.

Knows nothing of Django or of what the programs do.
"""

from __future__ import annotations

import time
from itertools import groupby
from typing import TYPE_CHECKING

from cdrhook.supervisor.process import Process, Program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdrhook.supervisor.output import Output
    from cdrhook.supervisor.signals import Signals


class Supervisor:
    """`inherited`: file descriptors that every child keeps open."""

    def __init__(
        self, output: Output, signals: Signals, *, inherited: Sequence[int] = ()
    ) -> None:
        self._output, self._signals = output, signals
        self._inherited = inherited
        self._processes: list[Process] = []

    def start(self, *programs: Program) -> None:
        """Starts programs, all at once."""
        for program in programs:
            process = Process(program, inherited=self._inherited)
            self._processes.append(process)
            self._start(process)

    def watch(self) -> None:
        """Starts again whatever ends; returns when a signal asks to stop."""
        while not self._signals.stop_requested:
            for process in self._processes:
                if how := process.ended():
                    self._output.say(
                        f"{process.program.name} {how};"
                        f" starting it again in {process.delay_seconds:g} s"
                    )
            self._signals.wait(self._start_due())

    def stop(self) -> None:
        """Ends everything: stage after stage, each asked first and killed after its
        grace; at once where a second signal shows impatience."""
        by_stage = sorted(self._processes, key=lambda process: process.program.stage)
        for _, stage in groupby(by_stage, key=lambda process: process.program.stage):
            self._stop_stage(list(stage))
        self._processes.clear()

    def _start(self, process: Process) -> None:
        self._output.follow(process.program.name, process.start())

    def _start_due(self) -> float | None:
        """Starts what is due; gives the seconds until the next is, if any."""
        waits = []
        for process in self._processes:
            if process.start_again_at is None:
                continue
            wait = process.start_again_at - time.monotonic()
            if wait <= 0:
                self._start(process)
            else:
                waits.append(wait)
        return min(waits, default=None)

    def _stop_stage(self, processes: list[Process]) -> None:
        started_at = time.monotonic()
        for process in processes:
            process.terminate()
        while running := [one for one in processes if one.is_running]:
            waits = [0.25]
            for process in running:
                left = started_at + process.program.grace_seconds - time.monotonic()
                waits.append(left)
                if process.ended():
                    continue
                if left <= 0 or self._signals.hurry:
                    self._output.say(f"{process.program.name} is killed")
                    process.kill()
            if any(one.is_running for one in processes):
                self._signals.wait(max(0.0, min(waits)))
