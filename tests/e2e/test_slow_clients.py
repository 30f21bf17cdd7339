"""Clients that stall, idle, send too much or go away hold up nobody but themselves."""

from __future__ import annotations

import json
import resource
import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.e2e.stack import UPLOAD_SECONDS, call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.stack import Stack, Tenant

pytestmark = pytest.mark.e2e

STALLED, IDLE = 200, 2_000
# What a good PBX may wait, on a machine that is busy with the rest of the suite.
SOON_SECONDS = 2.0


@pytest.fixture
def connections(stack: Stack) -> Iterator[Connections]:
    """Opens connections to the web server; closes them at the end."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = STALLED + IDLE + 1_000
    files = max(soft, wanted if hard == resource.RLIM_INFINITY else min(hard, wanted))
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    with ExitStack() as stack_of_connections:
        yield Connections(stack, stack_of_connections)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Connections:
    """Raw ones, to the web server of a stack."""

    def __init__(self, stack: Stack, opened: ExitStack) -> None:
        self.stack, self.opened = stack, opened

    def open(self) -> socket.socket:
        """One that has sent nothing yet."""
        address = ("127.0.0.1", self.stack.port)
        return self.opened.enter_context(socket.create_connection(address, 30))

    def begin(self, tenant: Tenant, *headers: str) -> socket.socket:
        """One that has sent the headers of a POST."""
        one = self.open()
        token = tenant.headers["Authorization"]
        lines = (
            "POST /api/v1/cdrs HTTP/1.1",
            "Host: 127.0.0.1",
            f"Authorization: {token}",
            *headers,
        )
        one.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode())
        return one


def status(connection: socket.socket) -> int:
    """The status of the answer that comes next."""
    line = connection.makefile("rb").readline()
    return int(line.split()[1]) if line else 0


def test_a_good_pbx_is_answered_while_others_stall_and_idle(
    tenant: Tenant, connections: Connections
):
    for _ in range(STALLED):
        connections.begin(tenant, "Content-Length: 5000").sendall(b'{"uid": ')
    for _ in range(IDLE):
        connections.open()
    waits = []
    for number in range(5):
        began = time.monotonic()
        assert tenant.post(call(f"good-{number}")).status_code == 202
        waits.append(time.monotonic() - began)
    assert max(waits) < SOON_SECONDS, waits


def test_an_upload_that_stalls_is_ended(tenant: Tenant, connections: Connections):
    began = time.monotonic()
    stalled = connections.begin(tenant, "Content-Length: 5000")
    stalled.sendall(b'{"uid": ')
    assert status(stalled) == 408
    assert UPLOAD_SECONDS - 0.5 < time.monotonic() - began < UPLOAD_SECONDS + 5


def test_an_upload_that_drips_is_ended_as_well(
    tenant: Tenant, connections: Connections
):
    began = time.monotonic()
    dripping = connections.begin(tenant, "Transfer-Encoding: chunked")
    dripping.settimeout(0.2)
    answer = b""
    while not answer and time.monotonic() - began < UPLOAD_SECONDS + 10:
        try:
            dripping.sendall(b"1\r\n \r\n")
            answer = dripping.recv(100)
        except TimeoutError:
            continue
    assert answer.startswith(b"HTTP/1.1 408")


def test_a_slow_upload_that_comes_in_time_is_taken(
    tenant: Tenant, connections: Connections
):
    body = json.dumps(call("slow")).encode()
    slow = connections.begin(tenant, f"Content-Length: {len(body)}")
    for start in range(0, len(body), 100):
        slow.sendall(body[start : start + 100])
        time.sleep(0.02)
    assert status(slow) == 202


def test_100_megabytes_are_refused_before_they_are_read(
    tenant: Tenant, connections: Connections
):
    large = connections.begin(
        tenant, "Content-Length: 100000000", "Expect: 100-continue"
    )
    assert status(large) == 413


def test_who_sends_100_megabytes_unasked_sees_the_answer(
    stack: Stack, tenant: Tenant, connections: Connections
):
    large = connections.begin(tenant, "Content-Length: 100000000")
    sent = 0
    try:
        while sent < 100_000_000:
            sent += large.send(b" " * 65536)
    except (ConnectionResetError, BrokenPipeError):
        pass
    assert status(large) == 413
    assert sent < 60_000_000


def test_a_body_without_a_length_is_bounded_as_well(
    tenant: Tenant, connections: Connections
):
    endless = connections.begin(tenant, "Transfer-Encoding: chunked")
    piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
    for _ in range(120):
        endless.sendall(piece)
    endless.sendall(b"0\r\n\r\n")
    assert status(endless) == 413


def test_a_pbx_that_goes_away_leaves_nothing(tenant: Tenant, connections: Connections):
    body = json.dumps(call("broken-pipe")).encode()
    gone = connections.begin(tenant, f"Content-Length: {len(body)}")
    gone.sendall(body[:-10])
    gone.close()
    assert tenant.post(call("after-it")).status_code == 202
    url = f"{tenant.stack.url}/api/v1/cdrs/broken-pipe"
    answer = tenant.stack.session.get(url, headers=tenant.headers, timeout=30)
    assert answer.status_code == 404
