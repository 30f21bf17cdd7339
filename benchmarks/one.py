"""Measures one row in a process of its own: `python -m benchmarks.one NAME RESULT`."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.machine import commit
from benchmarks.registry import ROWS
from benchmarks.stage import Stage
from benchmarks.values import NOT_INSTALLED, NOT_VERIFIED, VerificationError
from tests.programs import NotInstalledError

if TYPE_CHECKING:
    from benchmarks.values import Measured, Row

LOG_LINES = 15


def main() -> None:
    """Writes the result as JSON. A row that cannot be verified exits with a status.

    SIGTERM ends it in order: everything that the stage started is stopped.
    """
    arguments = _arguments()
    signal.signal(signal.SIGTERM, _stop)
    row, result = ROWS[arguments.name], arguments.result.absolute()
    work = (arguments.work or result.parent / f"work-{os.getpid()}").absolute()
    began, at = time.monotonic(), dt.datetime.now(dt.UTC)
    try:
        measured = _measure(row, work, quick=arguments.quick)
    except VerificationError as error:
        print(f"{row.name}: not verified: {error}", file=sys.stderr)
        sys.exit(NOT_VERIFIED)
    except NotInstalledError as error:
        print(f"{row.name}: {error}", file=sys.stderr)
        sys.exit(NOT_INSTALLED)
    kept = {
        "measured_at": at.isoformat(timespec="seconds"),
        "commit": commit(),
        **row.result(measured, time.monotonic() - began),
    }
    unfinished = result.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(kept, indent=1) + "\n")
    unfinished.replace(result)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=ROWS)
    parser.add_argument("result", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--work", type=Path, help="the stage's folder, to be made")
    return parser.parse_args()


def _measure(row: Row, work: Path, *, quick: bool) -> Measured:
    with Stage(work, sqlite=row.sqlite, postgres=row.postgres) as stage:
        try:
            return row.run(stage, quick)
        except Exception:
            _tell_logs(work)
            raise


def _tell_logs(work: Path) -> None:
    """The ends of all logs, which go with the stage."""
    for log in sorted(work.glob("*.log")):
        lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
        if lines:
            print(f"-- the end of {log.name}:", *lines, sep="\n", file=sys.stderr)


def _stop(*_: object) -> None:
    """Once: whatever comes while everything is being stopped must not stop that."""
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, signal.SIG_IGN)
    sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    main()
