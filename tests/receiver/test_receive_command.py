"""`cdrhook receive`, as it is typed in."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from dispatcher.sending.signing import spark_signature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Start = Callable[..., subprocess.Popen[str]]

CDRHOOK = Path(sys.executable).with_name("cdrhook")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """start(*arguments): the command, in an empty data folder."""
    running: list[subprocess.Popen[str]] = []

    def begin(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [CDRHOOK, "receive", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "CDRHOOK_DATA_DIR": str(tmp_path), "DATABASE_URL": ""},
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
        assert process.returncode == 0
    assert not list(tmp_path.iterdir())


def port_in(stream: IO[str] | None) -> int:
    """The port that it says it listens on."""
    assert stream is not None
    line = stream.readline()
    found = re.search(r"listening on http://127\.0\.0\.1:(\d+)", line)
    assert found, line
    return int(found[1])


def post(port: int, path: str, body: bytes, **headers: str) -> int:
    """The status of a request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("POST", path, body, named)
    status = connection.getresponse().status
    connection.close()
    return status


def test_with_json_it_prints_one_line_a_request(start: Start) -> None:
    process = start("--port", "0", "--json", "--respond", "500,200")
    port = port_in(process.stderr)
    assert post(port, "/hook?a=b", b'{"a": "b"}', webhook_id="w-1") == 500
    assert process.stdout is not None
    line = json.loads(process.stdout.readline())
    assert line["time"].endswith("+00:00")
    assert line["headers"]["webhook-id"] == line["webhook_id"] == "w-1"
    wanted = ("method", "path", "query", "body", "signature", "answered")
    assert [line[key] for key in wanted] == [
        *("POST", "/hook", "a=b", '{"a": "b"}', "none", 500)
    ]


def test_without_json_it_prints_a_line_for_people(start: Start) -> None:
    process = start("--port", "0")
    post(port_in(process.stdout), "/hook", b"hello\nthere", webhook_id="w-1")
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "POST /hook -> 200  webhook-id w-1  signature none" in line
    assert line.endswith("11 bytes  hello there\n")


FEED = {
    "x_spark_signature": spark_signature("s", b"{}"),
    "cdrhook_window_start": "2026-11-23T16:50:00.000Z",
    "cdrhook_window_end": "2026-11-23T16:55:00.000Z",
    "cdrhook_sequence": "7",
    "cdrhook_count": "2",
    "cdrhook_late": "1",
}


def test_of_a_feed_it_tells_the_older_signature_and_the_window(start: Start) -> None:
    process = start("--port", "0", "--secret", "s")
    post(port_in(process.stdout), "/feed", b"{}", **FEED)
    assert process.stdout is not None
    assert (
        "  signature none  X-Spark-Signature valid"
        "  window 2026-11-23T16:50:00.000Z to 2026-11-23T16:55:00.000Z"
        "  sequence 7  count 2  late  2 bytes  {}\n"
    ) in process.stdout.readline()


def test_with_json_the_older_signature_has_a_key_of_its_own(start: Start) -> None:
    process = start("--port", "0", "--secret", "s", "--json")
    post(port_in(process.stderr), "/feed", b"{ }", **FEED)
    assert process.stdout is not None
    line = json.loads(process.stdout.readline())
    assert (line["signature"], line["spark_signature"]) == ("none", "invalid")
    assert line["headers"]["cdrhook-sequence"] == "7"


def test_a_wrong_answer_is_bad_usage() -> None:
    wrong = subprocess.run(
        [CDRHOOK, "receive", "--port", "0", "--respond", "maybe"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert wrong.returncode == 2
    assert "'maybe' is neither a status" in wrong.stderr


def test_a_port_that_is_taken_is_told(start: Start) -> None:
    port = port_in(start("--port", "0").stdout)
    second = subprocess.run(
        [CDRHOOK, "receive", "--port", str(port)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 1
    assert f"Cannot listen on port {port}" in second.stderr
