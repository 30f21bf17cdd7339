"""cdrhook's processes of a run: as `cdrhook up` supervises them, or each by itself."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Final

import psutil
import requests

from cdrhook.supervisor import programs as cdrhook_programs
from tests.chaos.processes import end, family, kill, spawn, until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

READY_SECONDS: Final = 240.0
CDRHOOK: Final = (sys.executable, "-m", "cdrhook")


class Up:
    """`cdrhook up`, which may be killed, stopped and started again."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self._log = folder / "up.log"
        self.env = dict(env)
        self.url = f"http://127.0.0.1:{env['PORT']}"
        self.urls = [self.url]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, inside: Sequence[str] = ()) -> None:
        """Starts it; does not wait. `inside`: what it is run by, see `disk`."""
        self._process = spawn([*inside, *CDRHOOK, "up"], self._log, env=self.env)

    def wait_until_ready(self, seconds: float = READY_SECONDS) -> None:
        """Until every part of it answers."""
        until("readiness", self._is_ready, seconds, every=0.1)

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "`cdrhook up` has ended; see up.log"
        return is_ready(self.url)

    @property
    def pid(self) -> int:
        """Of `cdrhook up` itself."""
        assert self._process is not None
        return self._process.pid

    def workers(self) -> list[psutil.Process]:
        """The Celery workers that send."""
        return self._children("worker", but="summaries")

    def beat(self) -> list[psutil.Process]:
        """The one beat."""
        return self._children("beat")

    def web(self) -> list[psutil.Process]:
        """The web server's processes."""
        web = next(one for one in self._children("web"))
        return family(web.pid)

    def broker(self) -> list[psutil.Process]:
        """The Valkey that it started."""
        below = psutil.Process(self.pid).children()
        return [one for one in below if "server" in one.name()]

    def _children(self, word: str, but: str = "") -> list[psutil.Process]:
        below = psutil.Process(self.pid).children()
        lines = [(one, one.cmdline()) for one in below]
        return [one for one, line in lines if word in line and but not in line]

    def kill(self) -> None:
        """kill -9 of `cdrhook up` itself; what it leaves dies by the kernel."""
        assert self._process is not None
        below = family(self.pid)
        kill(below[:1])
        self._process.wait()
        psutil.wait_procs(below[1:], timeout=10)

    def stop(self) -> int:
        """SIGTERM, as an operator does; the exit status."""
        assert self._process is not None
        end(self._process)
        return self._process.returncode

    def close(self) -> None:
        """At the end of the run."""
        if self._process is not None:
            end(self._process)


class Parts:
    """Two web servers, two fast workers, a slow one and a beat, each by itself."""

    def __init__(
        self, folder: Path, env: Mapping[str, str], ports: Sequence[int]
    ) -> None:
        self._folder = folder
        self.env = dict(env)
        self._ports = ports
        self.urls = [f"http://127.0.0.1:{port}" for port in ports]
        self.url = self.urls[0]
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Starts all of them; does not wait."""
        for name in self.names():
            self.start_one(name)

    def names(self) -> list[str]:
        """Of the processes, in the order in which they are restarted."""
        webs = [f"web{number}" for number, _ in enumerate(self._ports, 1)]
        return [*webs, "fast1", "fast2", "slow", "beat"]

    def start_one(self, name: str) -> None:
        """Starts one; a name that ends in `beat` is a further beat."""
        env = dict(self.env)
        if name.startswith("web"):
            env["PORT"] = str(self._ports[int(name.removeprefix("web")) - 1])
            program = cdrhook_programs.web()
        elif name.endswith("beat"):
            program = cdrhook_programs.beat()
        else:
            program = cdrhook_programs.worker(name, name, name.rstrip("123456789"))
        self.processes[name] = spawn(
            program.command, self._folder / f"{name}.log", env=env
        )

    def wait_until_ready(self, seconds: float = READY_SECONDS) -> None:
        """Until every part answers, at every web server."""
        for url in self.urls:
            until(f"readiness of {url}", partial(is_ready, url), seconds, 0.1)

    def stop_one(self, name: str) -> None:
        """SIGTERM, and waits for its end."""
        end(self.processes[name])

    def kill(self, names: Iterable[str]) -> None:
        """kill -9 of some."""
        found = [one for name in names for one in family(self.processes[name].pid)]
        kill(found)

    def close(self) -> None:
        """At the end of the run: web and beat first, as `cdrhook up` does."""
        for name in sorted(self.processes, key=lambda name: name.startswith("fast")):
            end(self.processes[name])


def is_ready(url: str) -> bool:
    """Whether GET /healthz says that every part of the system answers."""
    try:
        answer = requests.get(f"{url}/healthz", timeout=5)
        return answer.status_code == 200 and all(answer.json().values())
    except (requests.RequestException, ValueError):
        return False
