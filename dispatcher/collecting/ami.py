"""A session of Asterisk's manager interface (AMI), for its `Cdr` events.

One thread, no callbacks. Nothing that was missed can be asked for again: AMI has no
replay. https://docs.asterisk.org/Configuration/Interfaces/Asterisk-Manager-Interface-AMI/
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import unquote, urlsplit

from dispatcher.collecting.trouble import Trouble

if TYPE_CHECKING:
    from collections.abc import Iterator

PORT: Final = 5038
TLS_PORT: Final = 5039
CONNECT_SECONDS: Final = 10.0
# When nothing was heard for so long, it is asked for a sign of life; and given up.
PING_AFTER_SECONDS: Final = 10.0
DEAD_AFTER_SECONDS: Final = 30.0
# A message of a few KB is a long one.
MOST_BYTES: Final = 1024 * 1024
_END: Final = b"\r\n\r\n"
_PING: Final = b"Action: Ping\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Address:
    """Where to log in, and as whom."""

    host: str
    port: int
    user: str
    secret: str
    tls: bool


@dataclass(frozen=True, slots=True)
class Message:
    """An event or a response: its bytes as they came, and its fields as text."""

    raw: bytes
    fields: dict[str, str]


def address_of(url: str) -> Address:
    """Reads `ami://user:secret@host:5038`, or `amis://` for TLS. Raises Trouble."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Trouble("The connection is no URL.") from error
    user, secret = unquote(parts.username or ""), unquote(parts.password or "")
    if not parts.hostname or not user:
        raise Trouble("The connection must read ami://user:secret@host:5038.")
    if any(char in user + secret for char in "\r\n\0"):
        raise Trouble("User and secret cannot hold line breaks.")
    tls = parts.scheme == "amis"
    return Address(
        parts.hostname, port or (TLS_PORT if tls else PORT), user, secret, tls
    )


def parsed(raw: bytes) -> Message:
    """Reads one message without its empty line; of a field that is there twice, the first."""
    fields: dict[str, str] = {}
    for line in raw.decode(errors="replace").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip(), value.removeprefix(" "))
    return Message(raw, fields)


class Session:
    """A login that has succeeded. Raises Trouble wherever the connection is at fault."""

    def __init__(self, address: Address) -> None:
        self._buffer = b""
        self._early: list[Message] = []
        self._heard_at = self._pinged_at = time.monotonic()
        with _told(address.host):
            self._socket = _connected(address)
        try:
            self._log_in(address)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Logs off, as far as anybody listens."""
        with contextlib.suppress(OSError):
            self._socket.sendall(b"Action: Logoff\r\n\r\n")
        self._socket.close()

    def calls(self, seconds: float) -> list[Message]:
        """The `Cdr` events that come within `seconds`: returns with the first of them.

        Asks for a sign of life where it is silent; none means that it is dead.
        """
        self._keep_alive()
        early, self._early = self._early, []
        return early or _calls(self._read(seconds))

    def _keep_alive(self) -> None:
        now = time.monotonic()
        if now - self._heard_at > DEAD_AFTER_SECONDS:
            raise Trouble("Asterisk does not answer any more.")
        if now - max(self._heard_at, self._pinged_at) > PING_AFTER_SECONDS:
            self._pinged_at = now
            self._send(_PING)

    def _log_in(self, address: Address) -> None:
        lines = (
            "Action: Login",
            "ActionID: login",
            f"Username: {address.user}",
            f"Secret: {address.secret}",
            # Of no other class: a busy PBX sends hundreds of events a call.
            "Events: cdr",
        )
        self._send("\r\n".join(lines).encode() + _END)
        give_up_at = time.monotonic() + CONNECT_SECONDS
        while time.monotonic() < give_up_at:
            messages = self._read(1.0)
            # Calls may follow the answer so closely that one read brings both.
            self._early += _calls(messages)
            for message in messages:
                if message.fields.get("ActionID") == "login":
                    return _check_login(message)
        raise Trouble("Asterisk does not answer the login.")

    def _send(self, data: bytes) -> None:
        try:
            with _told():
                self._socket.settimeout(CONNECT_SECONDS)
                self._socket.sendall(data)
        except TimeoutError as error:
            raise Trouble("Asterisk does not take what it is sent.") from error

    def _read(self, seconds: float) -> list[Message]:
        """What is complete after at most one read from the socket."""
        try:
            with _told():
                self._socket.settimeout(max(seconds, 0.001))
                data = self._socket.recv(65536)
        except TimeoutError:
            return []
        if not data:
            raise Trouble("Asterisk has closed the connection.")
        self._heard_at = time.monotonic()
        *whole, self._buffer = (self._buffer + data).split(_END)
        if len(self._buffer) > MOST_BYTES:
            raise Trouble("What answers there does not speak AMI.")
        return [parsed(raw) for raw in whole]


def _calls(messages: list[Message]) -> list[Message]:
    return [one for one in messages if one.fields.get("Event") == "Cdr"]


def _check_login(message: Message) -> None:
    if message.fields.get("Response") != "Success":
        raise Trouble("Asterisk refuses the login.", message.fields.get("Message"))


def _connected(address: Address) -> socket.socket:
    plain = socket.create_connection((address.host, address.port), CONNECT_SECONDS)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if not address.tls:
        return plain
    try:
        context = ssl.create_default_context()
        return context.wrap_socket(plain, server_hostname=address.host)
    except BaseException:
        plain.close()
        raise


@contextlib.contextmanager
def _told(host: str = "") -> Iterator[None]:
    """Makes Trouble of what a socket raises; once connected, silence is none."""
    try:
        yield
    except TimeoutError as error:
        if host:
            raise Trouble("Asterisk cannot be reached: no answer.", error) from error
        raise
    except OSError as error:
        reason = "cannot be reached" if host else "has broken the connection"
        why = error.strerror or type(error).__name__
        raise Trouble(f"Asterisk {reason}: {why}.", error) from error
