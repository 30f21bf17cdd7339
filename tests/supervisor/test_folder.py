"""The data folder: private, one secret key, one `up`."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cdrhook.supervisor import folder

if TYPE_CHECKING:
    from pathlib import Path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_made_for_its_owner_only(tmp_path: Path) -> None:
    folder.make_private(tmp_path / "a" / "b")
    assert mode(tmp_path / "a" / "b") == 0o700


def test_the_secret_key_is_made_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "secret_key"
    first = folder.secret_key(path)
    assert len(first) >= 50
    assert folder.secret_key(path) == first
    assert mode(path) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["secret_key"]


def test_an_empty_secret_key_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "secret_key"
    path.write_text("\n")
    assert folder.secret_key(path) != ""
    assert path.read_text().strip()


def test_the_runtime_file_tells_the_url_to_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "runtime.json"
    folder.write_runtime(path, "unix:///somewhere?db=0")
    assert json.loads(path.read_text())["redis_url"] == "unix:///somewhere?db=0"
    assert mode(path) == 0o600


def test_a_second_up_is_refused_with_the_first_ones_process_id(tmp_path: Path) -> None:
    refused = pytest.raises(folder.FolderInUseError, match=f"process {os.getpid()}")
    with folder.locked(tmp_path), refused, folder.locked(tmp_path):
        raise AssertionError


def test_the_folder_is_free_again_afterwards(tmp_path: Path) -> None:
    with folder.locked(tmp_path):
        pass
    with folder.locked(tmp_path) as descriptor:
        assert os.fstat(descriptor).st_size > 0


def test_it_waits_for_the_children_of_an_up_that_was_killed(tmp_path: Path) -> None:
    # given a lock whose writer is dead, but which somebody still holds for a moment
    path = tmp_path / "up.lock"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    path.write_text(str(dead.pid))
    with path.open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        orphan = subprocess.Popen(["sleep", "0.4"], pass_fds=[lock.fileno()])
    # then it is got, once that one has gone
    with folder.locked(tmp_path):
        assert orphan.wait(5) == 0
