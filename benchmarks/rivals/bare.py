"""Runs the bare loop in processes side by side, and says how fast it was."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.stage import Stage

PROCESSES = 2


@dataclass(frozen=True, slots=True)
class Bare:
    """`rate` in requests a second, `cpu` in seconds a request."""

    rate: float
    cpu: float
    sent: int


def write_jobs(stage: Stage, path: Path) -> None:
    """The requests of all deliveries that were sent: same body, headers and key."""
    from dispatcher.models import Delivery

    rows = Delivery.objects.exclude(request_body=None).select_related("webhook")
    keys: dict[object, str] = {}
    with path.open("w") as jobs:
        for row in rows.order_by("id").iterator(2000):
            if row.webhook_id not in keys:
                keys[row.webhook_id] = row.webhook.secret
            job = {
                "id": str(row.pk),
                "url": row.webhook.url,
                "headers": {
                    "User-Agent": "cdrhook",
                    "Content-Type": row.request_content_type,
                },
                "body": bytes(row.request_body or b"").decode(),
                "key": keys[row.webhook_id],
            }
            jobs.write(json.dumps(job) + "\n")


def run(jobs: Path) -> Bare:
    """POSTs every job once, from two processes."""
    started = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "benchmarks.rivals.bare_loop"),
                *(str(jobs), str(share), str(PROCESSES)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for share in range(PROCESSES)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    began = time.monotonic()
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    told = []
    for process in started:
        output, _ = process.communicate(timeout=300)
        told.append(json.loads(output))
    seconds = time.monotonic() - began
    sent = sum(one["sent"] for one in told)
    return Bare(sent / seconds, sum(one["cpu"] for one in told) / sent, sent)
