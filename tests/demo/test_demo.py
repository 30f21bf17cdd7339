"""The demo as a newcomer runs it."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.e2e.console import CDRHOOK
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


def run(folder: Path, port: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A start that ends by itself."""
    return subprocess.run(
        [CDRHOOK, "demo", *arguments],
        env=environment(folder, port),
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def test_it_shows_calls_that_arrive_and_leaves_nothing_however_it_ends(
    tmp_path: Path, taken_port: int
) -> None:
    # given a first start, which ends by itself
    first = run(tmp_path, taken_port, "--exit-after", "3")
    assert first.returncode == 0, first.stdout
    password = json.loads((tmp_path / "demo.json").read_text())["password"]
    assert f"port {taken_port} is taken" in first.stdout
    assert f"Password    {password}" in first.stdout
    assert "healthy   attempt 1  200" in first.stdout
    assert "x-api-key demo-" in first.stdout
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
    assert "making three webhooks" not in "".join(shown)
    assert len(members) >= 6
    second.wait()
    wait_until_gone(members, 25)


def test_styles_can_be_tried_one_after_the_other(
    tmp_path: Path, taken_port: int
) -> None:
    # when one folder sees two styles
    batch = run(tmp_path, taken_port, "--style", "batch", "--exit-after", "2")
    feed = run(tmp_path, taken_port, "--style", "feed", "--exit-after", "1")
    # then each says what is shortened, and shows what it is about
    assert batch.returncode == 0, batch.stdout
    assert feed.returncode == 0, feed.stdout
    assert "Shortened: a batch closes at 5 calls" in batch.stdout
    assert "the batch was closed because" in batch.stdout
    assert "206  Content-Range: bytes 0-99/32044  audio/wav" in batch.stdout
    assert "Shortened: windows of 10 s" in feed.stdout
    assert "X-Spark-Signature valid" in feed.stdout
    # and the webhooks of the one before rest
    with closing(sqlite3.connect(tmp_path / "cdrhook.sqlite3")) as database:
        rows = "SELECT style, active FROM dispatcher_webhook GROUP BY style, active"
        assert database.execute(rows).fetchall() == [("batch", 0), ("feed", 1)]


def test_a_style_that_there_is_not_is_bad_usage(tmp_path: Path) -> None:
    wrong = subprocess.run(
        [CDRHOOK, "demo"],
        env=environment(tmp_path, 0) | {"STYLE": "xml"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert wrong.returncode == 2
    assert 'STYLE may be batch, feed, flat or envelope, not "xml"' in wrong.stderr
    assert not list(tmp_path.iterdir())
