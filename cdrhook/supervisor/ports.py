"""Ports for servers that are told where to listen before they start."""

from __future__ import annotations

import random
import socket
from pathlib import Path
from typing import Final

HOST: Final = "127.0.0.1"
LOWEST: Final = 11_300
_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LINUX_DEFAULT: Final = 32_768
_TRIES: Final = 100


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on.

    Below those that the system gives to whoever asks for any: until the server listens
    there seconds later, one of those may have been given to somebody else.
    """
    highest = _first_given_by_the_system() - 1
    for _ in range(_TRIES if highest > LOWEST else 0):
        # Which one is no secret: it only has to differ from others' choices.
        port = random.randint(LOWEST, highest)  # noqa: S311
        if _can_listen(port):
            return port
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _can_listen(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _first_given_by_the_system() -> int:
    try:
        return int(_RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return _LINUX_DEFAULT
