"""Ports that are chosen before a server listens there."""

from __future__ import annotations

import socket
from pathlib import Path

from cdrhook.supervisor import ports
from cdrhook.supervisor.ports import free_port


def test_a_port_is_chosen_that_the_system_gives_to_nobody_meanwhile() -> None:
    first_of_the_systems = int(
        Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]
    )
    chosen = {free_port() for _ in range(20)}
    assert len(chosen) > 1
    assert all(ports.LOWEST <= port < first_of_the_systems for port in chosen)


def test_where_none_is_left_below_the_system_gives_one(
    monkeypatch, tmp_path: Path
) -> None:
    everything = tmp_path / "range"
    everything.write_text("1024\t65535\n")
    monkeypatch.setattr(ports, "_RANGE", everything)
    port = free_port()
    with socket.create_server(("127.0.0.1", port)) as listening:
        assert listening.getsockname()[1] == port
