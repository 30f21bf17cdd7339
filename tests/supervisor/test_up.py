"""The whole stack in real processes: how it starts, recovers, refuses, and ends."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.e2e.console import CDRHOOK
from tests.e2e.stack import Stack
from tests.programs import wait_for
from tests.supervisor.supervised import is_alive, wait_until_gone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def up(database_server: None) -> Iterator[Stack]:
    """A stack that makes its own secret key."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SECRET_KEY")
        running = Stack()
    yield running
    running.stop()


def members(stack: Stack) -> list[psutil.Process]:
    """`up` and everything that runs under it."""
    top = psutil.Process(stack.process.pid)
    return [top, *top.children(recursive=True)]


def named(process: psutil.Process, word: str) -> bool:
    """Whether it lives and its command line, or its program's path, has the word."""
    try:
        return word in process.cmdline() or word in process.exe()
    except psutil.NoSuchProcess:
        return False


def member(stack: Stack, word: str) -> psutil.Process:
    """The first process of that name."""
    return next(process for process in members(stack) if named(process, word))


@pytest.mark.parametrize("word", ["web", "worker", "beat", "valkey-server"])
def test_whoever_is_killed_is_back_soon(up: Stack, word: str) -> None:
    killed = member(up, word)
    family = [killed, *killed.children(recursive=True)]
    killed.kill()
    wait_until_gone(family, 5)
    wait_for(
        f"{word} to be back", lambda: any(named(one, word) for one in members(up)), 30
    )
    wait_for("the stack to be ready", up.is_ready, 60)


def test_web_is_back_when_only_its_inner_process_is_killed(up: Stack) -> None:
    web = member(up, "web")
    web.children()[0].kill()
    wait_until_gone([web], 10)
    wait_for("the stack to be ready", up.is_ready, 60)


def test_a_second_up_on_the_same_folder_is_refused(up: Stack) -> None:
    second = subprocess.run(
        [CDRHOOK, "up"], env=up.env, capture_output=True, text=True, check=False
    )
    assert second.returncode == 1
    assert f"already running on {up.folder}" in second.stderr


def test_a_port_that_is_taken_is_told(tmp_path: Path, up: Stack) -> None:
    env = {**up.env, "CDRHOOK_DATA_DIR": str(tmp_path)}
    second = subprocess.run(
        [CDRHOOK, "up"], env=env, capture_output=True, text=True, check=False
    )
    assert second.returncode == 1
    assert f"Cannot listen on 127.0.0.1 port {up.port}" in second.stderr


def test_its_files_are_readable_by_their_owner_only(up: Stack) -> None:
    files = [path for path in up.folder.rglob("*") if path.name != "up.log"]
    assert {"secret_key", "runtime.json", "valkey.conf"} <= {one.name for one in files}
    assert not [path for path in files if path.stat().st_mode & 0o077]


def test_nothing_is_left_however_it_ends(database_server: None) -> None:
    # given a stack that is killed
    stack = Stack()
    try:
        killed = members(stack)
        stack.process.kill()
        wait_until_gone(killed, 5)
        # then it starts again in spite of what was left of it in the folder
        assert (stack.folder / "runtime.json").exists()
        stack.process.wait()
        stack.process = subprocess.Popen(
            [CDRHOOK, "up"], env=stack.env, stdout=stack.log, stderr=stack.log
        )
        wait_for("readiness", stack.is_ready, 90)
        # and ends in order when it is told to
        stopped = members(stack)
        stack.process.send_signal(signal.SIGTERM)
        assert stack.process.wait(20) == 0
        assert not any(is_alive(process) for process in stopped)
        assert not (stack.folder / "runtime.json").exists()
    finally:
        stack.stop()
    assert len(killed) == len(stopped) >= 6
