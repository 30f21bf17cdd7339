"""Importing Asterisk's Master.csv, beside a bare loop of csv and COPY over the same file.

Ours: `cdrhook import_cdrs` as an operator runs it, each row read, normalised, looked for,
kept with its bytes, routed to one webhook and committed. Both are processes of their own,
from their start to their end, in turns.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import psutil

from benchmarks import fill
from benchmarks.stage import Group
from benchmarks.values import Goal, Measured, Row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.stage import Stage

# How many in all; fewer to try it out.
ROWS: Final = int(os.environ.get("BENCH_IMPORT_ROWS", "1000000"))
QUICK_ROWS: Final = 5_000
MB: Final = 1_000_000
STARTED: Final = dt.datetime(2026, 3, 2, 6, 0)  # noqa: DTZ001  Asterisk tells no zone
# How a call ended: what Asterisk calls it, how long it rang, and how long it was talked.
ENDS: Final = (
    ("ANSWERED", 5, 61),
    ("ANSWERED", 12, 240),
    ("NO ANSWER", 30, 0),
    ("BUSY", 2, 0),
)


def run(stage: Stage, quick: bool) -> Measured:
    """The bare loop, the import, and the import once more, which finds nothing new."""
    measured = Measured()
    rows = QUICK_ROWS if quick else ROWS
    file = stage.work / "Master.csv"
    with file.open("w") as out:
        out.writelines(master_csv(rows))
    owner = fill.tenant()
    # Off, and holding what comes: sending is measured elsewhere.
    fill.webhook(owner, "http://127.0.0.1:9/", active=False, when_disabled="hold")
    bare = _timed(stage, "benchmarks.rivals.bare_copy", str(file), stage.database_url())
    first = _import(stage, measured, file, {"accepted": rows, "duplicates": 0})
    _verify(stage, measured, rows)
    again = _import(stage, measured, file, {"accepted": 0, "duplicates": rows})
    _verify(stage, measured, rows)
    measured.add(
        bare_rate=rows / bare["seconds"],
        rate=rows / first["seconds"],
        again_rate=rows / again["seconds"],
        ratio=first["seconds"] / bare["seconds"],
        cpu_us=first["cpu"] * 1e6 / rows,
        postgres_cpu_us=first["postgres_cpu"] * 1e6 / rows,
        bare_cpu_us=(bare["cpu"] + bare["postgres_cpu"]) * 1e6 / rows,
        pss_mb=max(first["pss_mb"], again["pss_mb"]),
        rows=rows,
    )
    for goal in ROW.goals:
        measured.figures[goal.name] = measured.median_of(goal.name)
    measured.check(True, "imported again, not one call is new")
    return measured


def master_csv(rows: int) -> Iterator[str]:
    """Lines as cdr_csv writes them with all 21 columns, one a second."""
    for n in range(rows):
        disposition, rang, talked = ENDS[n % len(ENDS)]
        start = STARTED + dt.timedelta(seconds=n)
        end = start + dt.timedelta(seconds=rang + talked)
        answer = f'"{start + dt.timedelta(seconds=rang)}"' if talked else ""
        caller, dialed = 1000 + n % 700, f"0208{n % 10_000_000:07}"
        unique = f"{1772431200 + n}.{2 * n}"
        yield (
            f'"","{caller}","{dialed}","from-internal","""Desk {caller}"" <{caller}>",'
            f'"PJSIP/{caller}-{n:08x}","PJSIP/trunk-{n:08x}","Dial",'
            f'"PJSIP/{dialed}@trunk,60","{start}",{answer},"{end}",{rang + talked},'
            f'{talked},"{disposition}","DOCUMENTATION","{unique}","","","{unique}",{n}\n'
        )


def _import(
    stage: Stage, measured: Measured, file: Path, expected: dict[str, int]
) -> dict[str, float]:
    command = ("import_cdrs", str(file), "--tenant=acme", "--format=asterisk-csv")
    figures = _timed(stage, "cdrhook", *command, "--json")
    answer = json.loads(figures.pop("out"))
    measured.check(answer == {**expected, "rejected": 0}, "all of it is told as it is")
    return figures


def _timed(stage: Stage, module: str, *arguments: str) -> dict[str, Any]:
    """Runs a program: its seconds, CPU, PostgreSQL's meanwhile, most memory, output."""
    stage.sql("CHECKPOINT")
    stage.leave_database()
    postgres, began, most = stage.postgres_cpu(), time.monotonic(), 0
    started = subprocess.Popen(
        (sys.executable, "-m", module, *arguments),
        env={**os.environ, **stage.settings},
        stdout=subprocess.PIPE,
    )
    process = psutil.Process(started.pid)
    cpu = 0.0
    while started.poll() is None:
        group = Group([process])
        most, cpu = max(most, group.pss()), max(cpu, group.cpu())
        try:
            started.wait(0.2)
        except subprocess.TimeoutExpired:
            continue
    took = time.monotonic() - began
    out, _ = started.communicate()
    if started.returncode:
        raise AssertionError(f"{module} ended with {started.returncode}")
    return {
        "seconds": took,
        "cpu": cpu,
        "postgres_cpu": stage.postgres_cpu() - postgres,
        "pss_mb": most / MB,
        "out": out,
    }


def _verify(stage: Stage, measured: Measured, rows: int) -> None:
    """Every row of the file is there once, with its bytes, and owed to the webhook."""
    stage.sql("ANALYZE")  # the query below is slow by guesses
    for table in ("storedcdr", "rawrecord", "delivery", "owedcdr"):
        [(count,)] = stage.sql(f"SELECT count(*) FROM dispatcher_{table}")
        measured.check(count == rows, f"one a row in {table}")
    [(whole,)] = stage.sql(
        "SELECT count(*) FROM bare b JOIN dispatcher_storedcdr c"
        " ON c.uid = b.uniqueid || '-' || b.sequence"
        " AND c.started_at = b.start AT TIME ZONE 'UTC' AND c.duration = b.duration"
        " JOIN dispatcher_rawrecord r ON r.cdr_id = c.id"
        " JOIN dispatcher_owedcdr o ON o.cdr_id = c.id"
        " JOIN dispatcher_delivery d ON d.id = o.delivery_id AND d.state = 'pending'"
    )
    measured.check(whole == rows, "each row of the file is a call that is owed")


ROW: Final = Row(
    name="import",
    title="Importing 1,000,000 rows of Master.csv, beside a bare csv and COPY",
    goals=(
        Goal("ratio", "times the bare loop's time", must=8, aim=5, at_most=True),
        Goal("pss_mb", "MB PSS at most", must=200, aim=120, at_most=True),
        Goal("rate", "records/s"),
        Goal("again_rate", "records/s imported again"),
        Goal("bare_rate", "rows/s of the bare loop"),
        Goal("rows", "rows"),
    ),
    run=run,
    seconds=400,
)
