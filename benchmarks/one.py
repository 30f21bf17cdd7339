"""Measures one row in a process of its own: `python -m benchmarks.one NAME RESULT`."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

from benchmarks.registry import ROWS
from benchmarks.stage import Stage


def main() -> None:
    """Writes the result as JSON; a row that cannot be verified raises."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=ROWS)
    parser.add_argument("result", type=Path)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    row = ROWS[arguments.name]
    folder = arguments.result.parent.absolute()
    began = time.monotonic()
    with Stage(folder / f"work-{os.getpid()}") as stage:
        measured = row.run(stage, arguments.quick)
    result = row.result(measured, time.monotonic() - began)
    arguments.result.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
