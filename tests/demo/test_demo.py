"""The demo as a newcomer runs it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.e2e.stack import CDRHOOK
from tests.supervisor.supervised import is_alive, wait_until_gone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.e2e

FOREIGN = {"DATABASE_URL": "postgres://127.0.0.1:1/production", "STYLE": "flat"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that both tests start in."""
    return tmp_path_factory.mktemp("demo")


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


def test_it_shows_calls_that_arrive_and_ends_by_itself(
    folder: Path, taken_port: int
) -> None:
    for _start in ("first", "second"):
        shown = subprocess.run(
            [CDRHOOK, "demo", "--exit-after", "3"],
            env=environment(folder, taken_port),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert shown.returncode == 0, shown.stdout
        assert f"port {taken_port} is taken" in shown.stdout
        password = json.loads((folder / "demo.json").read_text())["password"]
        assert f"Password    {password}" in shown.stdout
        assert "healthy   attempt 1  200" in shown.stdout
        assert "recovers  attempt 1  500" in shown.stdout
        assert shown.stdout.endswith("stopped; nothing is left running\n")


def test_it_leaves_nothing_when_it_is_stopped_or_killed(
    tmp_path: Path, taken_port: int
) -> None:
    for number, seconds in ((signal.SIGTERM, 0), (signal.SIGKILL, 25)):
        demo = subprocess.Popen(
            [CDRHOOK, "demo"],
            env=environment(tmp_path, taken_port),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert demo.stdout is not None
        with demo.stdout as lines:
            for line in lines:
                if "FreeSWITCH reports a call" in line:
                    break
            members = psutil.Process(demo.pid).children(recursive=True)
            demo.send_signal(number)
            lines.read()
        demo.wait(30)
        wait_until_gone(members, seconds)
        assert len(members) >= 6
        assert not any(is_alive(one) for one in members)
