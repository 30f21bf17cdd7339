"""The server that `cdrhook up` brings along."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from kombu import Connection
from redis import Redis

from cdrhook.settings import _broker_url
from cdrhook.supervisor import valkey
from cdrhook.supervisor.ports import free_port
from cdrhook.supervisor.valkey import Address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Start = Callable[[Path, Address], None]


@pytest.fixture
def near(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a short path and a name that has to be quoted."""
    folder = Path(f'/tmp/cdr "q" {tmp_path_factory.getbasetemp().stat().st_ino}')  # noqa: S108  short
    folder.mkdir(mode=0o700)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def far(tmp_path: Path) -> Path:
    """A folder whose path is too long for a socket."""
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    return folder


@pytest.fixture
def started() -> Iterator[Start]:
    """started(folder, address): runs the server until the test ends."""
    running: list[subprocess.Popen[bytes]] = []

    def start(folder: Path, address: Address) -> None:
        program = valkey.program(folder, address)
        running.append(subprocess.Popen(program.command))
        assert valkey.wait_until_it_answers(address)

    yield start
    for process in running:
        process.terminate()
        assert process.wait(5) == 0


def test_it_listens_on_a_socket_in_the_data_folder(near: Path, started: Start) -> None:
    address = valkey.choose_address(near)
    started(near, address)
    assert address.socket_path == near / "valkey.sock"
    assert address.socket_path.stat().st_mode & 0o777 == 0o700
    with Redis.from_url(address.url) as client:
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.config_get("appendfsync") == {"appendfsync": "everysec"}
        assert client.config_get("port") == {"port": "0"}


def test_it_listens_on_a_port_with_a_password_where_the_path_is_too_long(
    far: Path, started: Start
) -> None:
    address = valkey.choose_address(far)
    started(far, address)
    assert address.socket_path is None
    with Redis.from_url(address.url) as client:
        assert client.ping()
    assert not valkey.answers(Address(port=address.port, password="wrong"))
    assert not valkey.answers(Address(port=address.port))


def test_celery_reaches_it_by_the_same_url(near: Path, started: Start) -> None:
    address = valkey.choose_address(near)
    started(near, address)
    with Connection(_broker_url(address.url)) as connection:
        queue = connection.SimpleQueue("hello")
        queue.put("there")
        assert queue.get(timeout=5).payload == "there"
        queue.close()


def test_its_configuration_is_readable_by_its_owner_only(far: Path) -> None:
    valkey.program(far, Address(port=1, password="secret"))
    assert (far / "valkey.conf").stat().st_mode & 0o777 == 0o600


def test_a_server_on_path_is_preferred(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "redis-server"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert valkey.find_server() == str(own)


def test_a_platform_without_a_server_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("platform.machine", lambda: "s390x")
    with pytest.raises(valkey.NoServerError, match="Install valkey-server"):
        valkey.find_server()


def test_it_gives_up_on_a_server_that_does_not_answer() -> None:
    naps: list[float] = []
    address = Address(port=free_port())
    assert not valkey.wait_until_it_answers(address, 0.05, sleep=naps.append)
    assert naps


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("unix:///a%20b/v.sock?db=3", "redis+socket:///a%20b/v.sock?virtual_host=3"),
        ("unix:///v.sock", "redis+socket:///v.sock?virtual_host=0"),
        ("redis://:pw@127.0.0.1:6379/0", "redis://:pw@127.0.0.1:6379/0"),
        ("", ""),
    ],
)
def test_the_url_is_spelt_as_celery_wants_it(url: str, expected: str) -> None:
    assert _broker_url(url) == expected
