"""The PBX and the receivers of a run, as processes that no fault touches."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from cdrhook.supervisor.ports import free_port
from tests.chaos.evidence import Arrival, Lines, Try, as_arrival, as_try
from tests.chaos.processes import end, spawn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Longer than it goes on handing over what was refused.
STOP_SECONDS: Final = 150.0


class Receivers:
    """`tls`: a PEM file with a key and a certificate for a second port."""

    def __init__(self, work: Path, tls: Path | None = None) -> None:
        self._lines = Lines(work / "arrivals.jsonl")
        self.arrivals: list[Arrival] = []
        self.port, self.tls_port = free_port(), free_port()
        self.slow_tls_port = free_port()
        more = ["--tls", str(self.tls_port), str(tls)] if tls is not None else []
        self._process = spawn(
            [
                *(sys.executable, "-m", "tests.chaos.receivers", str(self.port)),
                *(str(self.slow_tls_port), str(work / "arrivals.jsonl"), *more),
            ],
            work / "receivers.log",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n", "see receivers.log"

    def url(self, path: str) -> str:
        """Of the receiver at a path."""
        return f"http://127.0.0.1:{self.port}{path}"

    def switch(self, path: str, mode: str) -> None:
        """How a path answers from the next request on."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{path} {mode}\n".encode())
        self._process.stdin.flush()

    def read(self) -> Sequence[Arrival]:
        """All that has come so far."""
        self.arrivals += map(as_arrival, self._lines.new())
        return self.arrivals

    def held(self, path: str, since: float) -> list[Arrival]:
        """Requests that were held since, in seconds since the epoch."""
        return [
            one
            for one in self.read()
            if (one.path, one.answer) == (path, "held") and one.at >= since
        ]

    def close(self) -> None:
        """Ends it."""
        end(self._process)


class Pbx:
    """Calls at `rate` a second, to any of the URLs, from the start to `stop`."""

    def __init__(
        self, work: Path, urls: Sequence[str], token: str, rate: float
    ) -> None:
        self._lines = Lines(work / "tries.jsonl")
        self.tries: list[Try] = []
        config = {"urls": urls, "token": token, "rate": rate}
        (work / "pbx.json").write_text(json.dumps(config))
        self._process = spawn(
            [
                *(sys.executable, "-m", "tests.chaos.pbx"),
                *(work / "pbx.json", work / "tries.jsonl"),
            ],
            work / "pbx.log",
        )

    def read(self) -> Sequence[Try]:
        """All that was tried so far."""
        self.tries += map(as_try, self._lines.new())
        return self.tries

    def stop(self) -> None:
        """No new calls; waits until those there are have been handed over."""
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(STOP_SECONDS) == 0, "the PBX failed; see pbx.log"

    def close(self) -> None:
        """Ends it, at once."""
        end(self._process, signal.SIGKILL)
