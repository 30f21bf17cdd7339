"""Runs all faults, or those named: `python -m tests.chaos`, or `make chaos`.

Goes on where it was stopped: a fault that has its runs is left out. Exits with 1 if a
run lost something or showed another problem.
"""

from __future__ import annotations

import argparse
import math
import signal
import sys
from collections import Counter
from typing import TYPE_CHECKING, Final

from tests.chaos import report
from tests.chaos.registry import FAULTS, QUICK
from tests.chaos.results import results
from tests.chaos.running import Runner
from tests.chaos.scene import RATE

if TYPE_CHECKING:
    from tests.chaos.results import Results
    from tests.chaos.values import Fault, Result

INTERRUPTED: Final = 130
JOBS: Final = 2


def main() -> int:
    """The exit status."""
    arguments = _arguments()
    if arguments.list:
        for name, fault in FAULTS.items():
            print(f"{name:<28} {fault.database:<9} {fault.seconds:>4} s  {fault.what}")
        return 0
    for one in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, _interrupt)
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        print("== interrupted; runs that are done are kept, the next call goes on")
        return INTERRUPTED


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    add = parser.add_argument
    add("faults", nargs="*", metavar="FAULT", help="only these")
    add("--runs", type=int, default=1, metavar="N", help="how often to make each fault")
    add("--quick", action="store_true", help="a few faults, shortened; always anew")
    add("--fresh", action="store_true", help="forgets the runs that there are")
    add("--jobs", type=int, default=JOBS, metavar="N", help="runs at a time")
    add("--rate", type=float, default=RATE, metavar="N", help="calls a second")
    add("--list", action="store_true", help="the faults; runs nothing")
    arguments = parser.parse_args()
    if unknown := set(arguments.faults) - FAULTS.keys():
        parser.error(f"no such fault: {', '.join(sorted(unknown))}; see --list")
    return arguments


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _run(arguments: argparse.Namespace) -> int:
    kept = results(quick=arguments.quick)
    names = arguments.faults or (QUICK if arguments.quick else list(FAULTS))
    if arguments.quick or arguments.fresh:
        kept.forget(names)
    wanted = missing([FAULTS[name] for name in names], arguments.runs, kept)
    lacking = {fault.name for fault, _ in wanted}
    print(f"== {len(wanted)} runs of {len(lacking)} faults", flush=True)
    done: list[Result] = []

    def take(result: Result) -> None:
        kept.add(result)
        done.append(result)
        print(report.line(result), flush=True)

    with Runner(quick=arguments.quick, rate=arguments.rate) as runner:
        cannot = runner.run(wanted, arguments.jobs, take)
    print(report.table(kept.all()))
    for name in sorted(set(cannot)):
        print(f"== {name} CANNOT BE RUN on this machine")
    return 0 if all(one.passed for one in done) and not cannot else 1


def missing(faults: list[Fault], times: int, kept: Results) -> list[tuple[Fault, int]]:
    """Runs that are to be made, and how often each of them makes its fault.

    All faults have a run before any has two. What is tried on both databases is made
    half of the times on each.
    """
    variants = Counter(fault.what for fault in faults)
    lacks = {
        fault.name: math.ceil(times / variants[fault.what]) - kept.times(fault.name)
        for fault in faults
    }
    wanted = []
    while any(lack > 0 for lack in lacks.values()):
        for fault in faults:
            if (lack := lacks[fault.name]) > 0:
                wanted.append((fault, min(lack, fault.times)))
                lacks[fault.name] -= fault.times
    return wanted


if __name__ == "__main__":
    sys.exit(main())
