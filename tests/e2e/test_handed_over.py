"""Calls from a watched folder, and from messages of the broker, arrive at a receiver."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from celery import Celery

from cdrhook.supervisor.programs import worker
from tests.e2e.stack import call
from tests.programs import running

MASTER = (
    Path(__file__).parents[1] / "samples/asterisk/real_run1_Master_21col_localtime.csv"
)

pytestmark = pytest.mark.e2e


def uids(receiver, count):
    requests = receiver.wait("/", count, 60)
    return [json.loads(request.body)["cdr"]["id"] for request in requests]


def test_a_file_that_grows_is_read_line_by_line(tenant, receiver, tmp_path):
    first, *others = MASTER.read_bytes().splitlines(keepends=True)
    tenant.webhook(receiver.url("/"), max_in_flight=20)
    tenant.source(
        "pbx", pbx="asterisk", folder=str(tmp_path), file_format="asterisk-csv"
    )
    with (tmp_path / "Master.csv").open("ab", buffering=0) as file:
        file.write(first)
        assert len(uids(receiver, 1)) == 1
        file.write(b"".join(others))
        came = uids(receiver, 1 + len(others))
    assert len(came) == len(set(came)) == 1 + len(others)


def test_a_message_of_another_program_is_taken_by_its_own_worker(tenant, receiver):
    tenant.webhook(receiver.url("/"))
    stack = tenant.stack
    own = worker("enqueue", "enqueue", "enqueue")
    url = stack.broker_url().replace("unix://", "redis+socket://")
    # Not as this process' own, which other tests publish with.
    with Celery(broker=url, set_as_current=False) as integration:
        integration.send_task(
            "dispatcher.enqueue",
            kwargs={"tenant": tenant.external_id, "cdrs": [call("by-message")]},
            queue="enqueue",
        )
    process = subprocess.Popen([sys.executable, *own.command[1:]], env=stack.env)
    with running(process, 15):
        assert uids(receiver, 1) == ["by-message"]
