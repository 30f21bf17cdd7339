"""The demo as a newcomer runs it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.e2e.stack import CDRHOOK
from tests.supervisor.supervised import wait_until_gone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Not marked e2e: the demo has a database of its own, whatever the suite runs on.

FOREIGN = {"DATABASE_URL": "postgres://127.0.0.1:1/production", "STYLE": "flat"}


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def environment(folder: Path, port: int) -> dict[str, str]:
    return {
        **os.environ,
        **FOREIGN,
        "CDRHOOK_DATA_DIR": str(folder),
        "PORT": str(port),
    }


def test_it_shows_calls_that_arrive_and_leaves_nothing_however_it_ends(
    tmp_path: Path, taken_port: int
) -> None:
    # given a first start, which ends by itself
    first = subprocess.run(
        [CDRHOOK, "demo", "--exit-after", "3"],
        env=environment(tmp_path, taken_port),
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert first.returncode == 0, first.stdout
    password = json.loads((tmp_path / "demo.json").read_text())["password"]
    assert f"port {taken_port} is taken" in first.stdout
    assert f"Password    {password}" in first.stdout
    assert "healthy   attempt 1  200" in first.stdout
    assert "recovers  attempt 1  500" in first.stdout
    assert first.stdout.endswith("stopped; nothing is left running\n")
    # when a second one is killed amid its calls
    second = subprocess.Popen(
        [CDRHOOK, "demo"],
        env=environment(tmp_path, taken_port),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert second.stdout is not None
    with second.stdout as lines:
        shown = []
        for line in lines:
            shown.append(line)
            if "healthy   attempt 1  200" in line:
                break
        members = psutil.Process(second.pid).children(recursive=True)
        second.kill()
    # then it had set nothing up again, and `up` ends in order without it
    assert "making a tenant" not in "".join(shown)
    assert len(members) >= 6
    second.wait()
    wait_until_gone(members, 25)
