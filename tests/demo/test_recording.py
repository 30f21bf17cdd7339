"""The recording that the demo's calls link to."""

from __future__ import annotations

import socket
import wave
from typing import TYPE_CHECKING

import pytest

from cdrhook.demo.recording import RECORDING_ID, asked_for, keep_recording
from dispatcher.pipeline.playback import file_names

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_httpserver import HTTPServer


def test_it_is_two_seconds_of_sound_where_cdrhook_looks_for_it(tmp_path: Path) -> None:
    keep_recording(tmp_path, "demo")
    keep_recording(tmp_path, "demo")
    [path] = [
        path
        for name in file_names("demo", RECORDING_ID)
        if (path := tmp_path / "recordings" / name).exists()
    ]
    with wave.open(str(path)) as file:
        assert file.getnframes() / file.getframerate() == 2
        assert any(file.readframes(100))


def test_a_link_is_asked_for_a_range(httpserver: HTTPServer) -> None:
    httpserver.expect_oneshot_request(
        "/r/1", query_string="token=t", headers={"Range": "bytes=0-99"}
    ).respond_with_data(
        b"x" * 100,
        status=206,
        content_type="audio/wav",
        headers={"Content-Range": "bytes 0-99/32044"},
    )
    assert asked_for(httpserver.url_for("/r/1?token=t")) == (
        "206  Content-Range: bytes 0-99/32044  audio/wav  100 bytes"
    )


def test_a_link_that_nobody_answers_is_an_os_error() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(OSError, match="refused"):
        asked_for(f"http://127.0.0.1:{port}/r/1?token=t")
