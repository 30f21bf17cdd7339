"""An Asterisk as far as its manager interface goes: login, events, Ping; no replay."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

RECORDED = Path(__file__).parent / "samples/asterisk/real_run1_ami_cdr_events.txt"
USER, SECRET = "cdrhook", "pa:ss/w@rd"
END = b"\r\n\r\n"


def recorded_events() -> list[bytes]:
    """The `Cdr` events of a real Asterisk, as they came."""
    return [raw for raw in RECORDED.read_bytes().split(END) if raw.strip()]


class AmiServer:
    """`sessions` is what each login is sent in turn, before it is hung up on.

    The last one stays open. Who does not listen when an event comes misses it.
    """

    def __init__(
        self,
        *sessions: list[bytes],
        pongs: bool = True,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.sessions, self.pongs, self._tls = list(sessions), pongs, tls
        self.logins: list[bytes] = []
        self.pings = 0
        self.came = threading.Condition()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """As a source's connection has it."""
        scheme = "amis" if self._tls else "ami"
        return f"{scheme}://{USER}:pa%3Ass%2Fw%40rd@127.0.0.1:{self.port}"

    def wait_for_logins(self, count: int, seconds: float = 20.0) -> None:
        """Until so many have logged in, or tried to."""
        with self.came:
            assert self.came.wait_for(lambda: len(self.logins) >= count, seconds)

    def wait_for_pings(self, count: int, seconds: float = 20.0) -> None:
        """Until so many signs of life were asked for."""
        with self.came:
            assert self.came.wait_for(lambda: self.pings >= count, seconds)

    def close(self) -> None:
        """Hangs up on everybody."""
        # A thread that waits in accept() is not woken by a close alone.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            if self._tls is not None:
                try:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                except OSError:
                    continue  # who does not trust us says so, and goes
            self._open.append(connection)
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            connection.sendall(b"Asterisk Call Manager/11.0.0\r\n")
            with connection.makefile("rb") as file:
                if self._logged_in(connection, self._action(file)):
                    self._play(connection)
                    while action := self._action(file):
                        self._answer(connection, action)

    def _action(self, file: object) -> bytes:
        lines: list[bytes] = []
        for line in file:  # type: ignore[attr-defined]
            if line == b"\r\n":
                break
            lines.append(line)
        return b"".join(lines)

    def _logged_in(self, connection: socket.socket, action: bytes) -> bool:
        wanted = f"Username: {USER}\r\nSecret: {SECRET}\r\n".encode()
        is_right = wanted in action and b"Events: cdr\r\n" in action
        # As Asterisk has it: the answer repeats the action's id.
        answer = (
            b"Response: Success\r\nActionID: login\r\nMessage: Authentication accepted"
            if is_right
            else b"Response: Error\r\nActionID: login\r\nMessage: Authentication failed"
        )
        connection.sendall(answer + END)
        if is_right:
            connection.sendall(
                b"Event: FullyBooted\r\nPrivilege: system,all\r\nStatus: Fully Booted"
                + END
            )
        with self.came:
            self.logins.append(action)
            self.came.notify_all()
        return is_right

    def _play(self, connection: socket.socket) -> None:
        events = self.sessions.pop(0) if self.sessions else []
        data = b"".join(event + END for event in events)
        # In pieces that end anywhere, in the middle of a letter, too.
        for start in range(0, len(data), 701):
            connection.sendall(data[start : start + 701])
        if self.sessions:
            connection.shutdown(socket.SHUT_RDWR)

    def _answer(self, connection: socket.socket, action: bytes) -> None:
        if b"Action: Ping" in action:
            with self.came:
                self.pings += 1
                self.came.notify_all()
            if self.pongs:
                connection.sendall(b"Response: Success\r\nPing: Pong" + END)
