"""An SMTP server on 127.0.0.1 that keeps what it is given, or refuses it."""

from __future__ import annotations

import email
import socketserver
import threading
from email import policy
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from email.message import EmailMessage


class MailServer(socketserver.ThreadingTCPServer):
    """A context manager; `refusing` answers every message with 451."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.port: int = self.server_address[1]
        self.messages: list[EmailMessage] = []
        self.refusing = False
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Session(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self._say("220 ready")
        for line in iter(self.rfile.readline, b""):
            word = line.split()[0].upper() if line.strip() else b""
            if word == b"DATA":
                self._take_message()
            elif word == b"QUIT":
                return self._say("221 bye")
            else:
                self._say("250 ok")

    def _take_message(self) -> None:
        self._say("354 go on")
        lines = iter(self.rfile.readline, b".\r\n")
        text = b"".join(lines)
        if self.server.refusing:
            return self._say("451 not now")
        message = email.message_from_bytes(text, policy=policy.default)
        self.server.messages.append(message)
        return self._say("250 taken")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())
