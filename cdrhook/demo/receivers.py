"""The three receivers of the demo: one that is well, one that recovers, one that hangs.

Keeps what they saw until the demo shows it.
"""

from __future__ import annotations

import contextlib
import queue
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from cdrhook.receiver import Answer, Received, Receiver

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Part:
    """How a receiver behaves, and how often its webhook retries."""

    answers: tuple[Answer, ...]
    retries: int


CAST: Final[dict[str, Part]] = {
    "healthy": Part((200,), 1),
    "recovers": Part((500, 200), 3),
    "hangs": Part(("hang",), 1),
}


class Receivers:
    """A context: all three listen. `ports`: where they did last time, if possible."""

    def __init__(self, ports: Mapping[str, int]) -> None:
        self.seen: queue.SimpleQueue[tuple[str, Received]] = queue.SimpleQueue()
        self._receivers = {
            name: self._listening(name, part, ports.get(name, 0))
            for name, part in CAST.items()
        }
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Receivers:
        for receiver in self._receivers.values():
            self._stack.enter_context(receiver)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def ports(self) -> dict[str, int]:
        """Where they listen."""
        return {name: receiver.port for name, receiver in self._receivers.items()}

    @property
    def urls(self) -> dict[str, str]:
        """What their webhooks send to."""
        return {
            name: f"http://127.0.0.1:{port}/{name}" for name, port in self.ports.items()
        }

    def trust(self, secrets: Mapping[str, str]) -> None:
        """Has them verify signatures from now on."""
        for name, secret in secrets.items():
            self._receivers[name].secret = secret

    def _listening(self, name: str, part: Part, port: int) -> Receiver:
        tell = partial(self._tell, name)
        try:
            return Receiver(port, tell=tell, answers=part.answers)
        except OSError:
            return Receiver(0, tell=tell, answers=part.answers)

    def _tell(self, name: str, received: Received) -> None:
        self.seen.put((name, received))
