"""Passes on what the children print, line by line, with their name in front.

Never makes a child wait: where the terminal does not keep up, lines are dropped and
counted. Interprets nothing.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from typing import IO, Final

MAX_WAITING_LINES: Final = 10_000
MAX_LINE_BYTES: Final = 64 * 1024
_NAME_WIDTH: Final = 6


class Output:
    """Children's lines go to `out`, the supervisor's own to `err` (binary streams)."""

    def __init__(self, out: IO[bytes], err: IO[bytes]) -> None:
        self._out, self._err = out, err
        self._lines: queue.Queue[tuple[IO[bytes], bytes]] = queue.Queue(
            MAX_WAITING_LINES
        )
        self._dropped = 0
        self._readers: list[threading.Thread] = []
        threading.Thread(target=self._write, daemon=True, name="output").start()

    def say(self, text: str) -> None:
        """Prints a line of the supervisor's own."""
        self._put(self._err, "up", text.encode(errors="replace"))

    def follow(self, name: str, pipe: IO[bytes]) -> None:
        """Passes on what comes out of `pipe` until it is closed, but no empty lines."""
        self._readers = [one for one in self._readers if one.is_alive()]
        reader = threading.Thread(
            target=self._read, args=(name, pipe), daemon=True, name=f"output-{name}"
        )
        self._readers.append(reader)
        reader.start()

    def flush(self, timeout_seconds: float = 1.0) -> None:
        """Waits until what children and supervisor have said is out, not for ever.

        Children must have ended; a pipe may still be held open by what they left.
        """
        give_up_at = time.monotonic() + timeout_seconds
        for reader in self._readers:
            reader.join(max(0.0, give_up_at - time.monotonic()))
        while self._lines.unfinished_tasks and time.monotonic() < give_up_at:
            time.sleep(0.01)

    def _put(self, stream: IO[bytes], name: str, line: bytes) -> None:
        prefix = f"{name:<{_NAME_WIDTH}} | ".encode()
        try:
            self._lines.put_nowait((stream, prefix + line.rstrip(b"\r\n") + b"\n"))
        except queue.Full:
            self._dropped += 1

    def _read(self, name: str, pipe: IO[bytes]) -> None:
        with pipe:
            while line := pipe.readline(MAX_LINE_BYTES):
                if line.strip():
                    self._put(self._out, name, line)

    def _write(self) -> None:
        while True:
            stream, line = self._lines.get()
            try:
                stream.write(line)
                stream.flush()
            except OSError:
                # Keep draining: the children must not notice.
                swallow(stream)
            finally:
                self._lines.task_done()
            if self._dropped and self._lines.empty():
                dropped, self._dropped = self._dropped, 0
                self.say(f"{dropped} lines of output were dropped")


def swallow(stream: IO[bytes] | IO[str]) -> None:
    """For a stream that nobody reads any more: sends it, and what it still holds, to
    nowhere, so that Python's own flush at exit does not fail either."""
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
