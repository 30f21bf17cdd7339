"""The whole stack in real processes: how it starts, and every way in which it ends."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.e2e.stack import CDRHOOK, Stack
from tests.servers import wait_for
from tests.supervisor.supervised import is_alive, wait_until_gone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.e2e


@pytest.fixture
def up(database_server: None) -> Iterator[Stack]:
    """A stack of its own, which the test may end."""
    running = Stack()
    yield running
    running.stop()


def members(stack: Stack) -> list[psutil.Process]:
    """`up` and everything that runs under it."""
    top = psutil.Process(stack.process.pid)
    return [top, *top.children(recursive=True)]


def one(stack: Stack, *words: str) -> psutil.Process:
    """The first process whose command line has all these words."""
    return next(
        process
        for process in members(stack)
        if all(word in process.cmdline() for word in words)
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_stops_within_20_seconds_and_leaves_nothing(
    up: Stack, number: signal.Signals
) -> None:
    processes = members(up)
    up.process.send_signal(number)
    assert up.process.wait(20) == 0
    assert not any(is_alive(process) for process in processes)
    assert len(processes) >= 6
    assert not (up.folder / "runtime.json").exists()


def test_nothing_is_left_after_kill_9_and_it_starts_again(up: Stack) -> None:
    processes = members(up)
    up.process.kill()
    wait_until_gone(processes, 5)
    # what was left of it in the folder does no harm
    assert (up.folder / "runtime.json").exists()
    up.process = subprocess.Popen(
        [CDRHOOK, "up"], env=up.env, stdout=up.log, stderr=up.log
    )
    wait_for("readiness", up.is_ready, 60)


def test_whoever_is_killed_is_back_soon(up: Stack) -> None:
    web = one(up, "web")
    inner = web.children()[0]
    killed = [web, one(up, "worker"), one(up, "beat"), _valkey(up)]
    for process in killed:
        process.kill()
    wait_until_gone([*killed, inner], 5)
    wait_for("everything to be back", up.is_ready, 60)


def test_web_is_back_when_only_its_inner_process_is_killed(up: Stack) -> None:
    web = one(up, "web")
    web.children()[0].kill()
    wait_until_gone([web], 5)
    wait_for("the web server to be back", up.is_ready, 60)


def test_a_second_up_on_the_same_folder_is_refused(up: Stack) -> None:
    second = subprocess.run(
        [CDRHOOK, "up"], env=up.env, capture_output=True, text=True, check=False
    )
    assert second.returncode == 1
    assert f"already running on {up.folder}" in second.stderr
    assert up.is_ready()


def test_its_files_are_readable_by_their_owner_only(up: Stack) -> None:
    files = [path for path in up.folder.rglob("*") if path.name != "up.log"]
    assert {"secret_key", "runtime.json", "valkey.conf"} <= {one.name for one in files}
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)


def test_a_port_that_is_taken_is_told(tmp_path: Path, up: Stack) -> None:
    env = {**up.env, "CDRHOOK_DATA_DIR": str(tmp_path)}
    second = subprocess.run(
        [CDRHOOK, "up"], env=env, capture_output=True, text=True, check=False
    )
    assert second.returncode == 1
    assert f"Cannot listen on 127.0.0.1 port {up.port}" in second.stderr


def _valkey(stack: Stack) -> psutil.Process:
    return next(one for one in members(stack) if "valkey-server" in one.exe())
