"""Measures all rows, or those named: `python -m benchmarks`, or `make bench`.

Exits with 1 if a row failed or could not be verified; a goal that is missed is told.
"""

from __future__ import annotations

import argparse
import signal
import sys
from functools import partial
from typing import Final

from benchmarks import report
from benchmarks.nginx import PACKAGES, find_nginx
from benchmarks.registry import ROWS
from benchmarks.running import Results, chosen, measure_by_itself, run_all
from tests.programs import NotInstalledError

INTERRUPTED: Final = 130


def main() -> int:
    """The exit status."""
    arguments = _arguments()
    results = Results(report.folder(quick=arguments.quick))
    if arguments.list:
        _list(results)
        return 0
    try:
        find_nginx(report.DEBIAN)
    except NotInstalledError as error:
        print(f"The receiver is nginx with its echo module: {error}", file=sys.stderr)
        print(
            f"On Debian and Ubuntu: apt install {' '.join(PACKAGES)}", file=sys.stderr
        )
        return 1
    for one in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, _interrupt)
    try:
        return _measure(arguments, results)
    except KeyboardInterrupt:
        print("== interrupted; rows that are done are kept, the next run goes on")
        return INTERRUPTED


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("rows", nargs="*", metavar="ROW", help="only these, and anew")
    parser.add_argument(
        "--quick", action="store_true", help="only shows that it runs and verifies"
    )
    parser.add_argument("--fresh", action="store_true", help="what is done, done again")
    parser.add_argument(
        "--list", action="store_true", help="the rows; measures nothing"
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.rows) - ROWS.keys():
        parser.error(f"no such row: {', '.join(sorted(unknown))}; see --list")
    return arguments


def _list(results: Results) -> None:
    for name, row in ROWS.items():
        kept = results.read(name)
        when = kept["measured_at"] if kept else "not measured"
        print(f"{name:<20} {row.seconds:>4} s  {when:<26} {row.title}")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _measure(arguments: argparse.Namespace, results: Results) -> int:
    quick = arguments.quick
    results.folder.mkdir(parents=True, exist_ok=True)
    if (quick or arguments.fresh) and not arguments.rows:
        results.forget(*ROWS)
    rows = chosen(ROWS, arguments.rows, results)
    if len(rows) < len(ROWS) and not arguments.rows:
        print("== Rows that have been measured are left out; FRESH=1 or --fresh: anew")
    measure = partial(
        measure_by_itself, results=results, around=report.WORK, quick=quick
    )
    failed = run_all(rows, results, measure)
    told = report.document(results.all(list(ROWS)), quick=quick)
    report.write(told, results.folder)
    print(report.summary(told))
    print(f"Results, rounds and plots: {results.folder}/results.md")
    for name, reason in failed.items():
        print(f"== {name} FAILED: {reason}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
