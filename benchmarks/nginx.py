"""A receiver in C: nginx, from the system or from Debian's packages, unpacked.

It answers 200 to every POST, at once, after a delay or (as good as) never, and logs
each `webhook-id`, so that what arrived can be verified.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil

from cdrhook.supervisor.ports import free_port
from tests import programs

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGES: Final = ("nginx", "libnginx-mod-http-echo")
HANG_SECONDS: Final = 60
# nginx writes its log so late, at most.
LOG_SECONDS: Final = 0.1

_CONFIGURATION: Final = """
daemon off;
worker_processes {workers};
worker_rlimit_nofile 20000;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
{module}
events {{ worker_connections 8000; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000;
  keepalive_timeout 75s;
  client_max_body_size 64m;
  client_body_buffer_size 64k;
  log_format arrived '$msec $http_webhook_id $status $uri';
  server {{
    listen 127.0.0.1:{port} backlog=8192;
    location / {{
      access_log {folder}/arrived.log arrived buffer=64k flush=100ms;
      return 200;
    }}
    {delays}
  }}
}}
"""
_DELAY: Final = """
    location /after/{ms}/ {{
      access_log {folder}/arrived.log arrived buffer=64k flush=100ms;
      echo_read_request_body;
      echo_sleep {seconds};
      echo ok;
    }}"""
_SWITCH: Final = """
    location /switch/ {{
      access_log {folder}/arrived.log arrived buffer=64k flush=100ms;
      if (-f {folder}/hanging) {{ rewrite ^ /hang$uri last; }}
      return 200;
    }}"""


class Nginx:
    """Use as a context.

    `url(path)` answers at once; `url("after/50/x")` after 50 ms, if 50 is among
    `delays_ms`; `url("hang/x")` not within 60 s; `url("switch/x")` at once, until
    `start_hanging()`.
    """

    def __init__(
        self, work: Path, *, delays_ms: tuple[int, ...] = (), workers: int = 1
    ) -> None:
        self.port = free_port()
        self._work = work
        self._folder = work / f"nginx-{self.port}"
        self._delays = delays_ms
        self._workers = workers
        self._stack = contextlib.ExitStack()
        self._read_to = 0
        self.pid = 0

    def __enter__(self) -> Nginx:
        self._folder.mkdir()
        if os.geteuid() == 0:
            # nginx's own workers run as nobody then.
            self._folder.chmod(0o777)
        binary, module = find_nginx(self._work.parent / "debian")
        configuration = self._folder / "nginx.conf"
        delays = [(str(ms), ms / 1000) for ms in self._delays]
        parts = [
            _DELAY.format(ms=ms, seconds=seconds, folder=self._folder)
            for ms, seconds in delays
        ]
        hang = _DELAY.format(ms="hang", seconds=HANG_SECONDS, folder=self._folder)
        parts.append(hang.replace("/after/hang/", "/hang/"))
        parts.append(_SWITCH.format(folder=self._folder))
        configuration.write_text(
            _CONFIGURATION.format(
                folder=self._folder,
                port=self.port,
                workers=self._workers,
                module=f"load_module {module};",
                delays="".join(parts),
            )
        )
        process = subprocess.Popen(
            [binary, "-c", configuration, "-p", self._folder], stderr=subprocess.DEVNULL
        )
        self.pid = self._stack.enter_context(programs.running(process, signal.SIGTERM))
        programs.wait_for("nginx's first answer", self._listens)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def url(self, path: str = "") -> str:
        """Where to send to."""
        return f"http://127.0.0.1:{self.port}/{path}"

    def start_hanging(self) -> None:
        """From now on `switch/` does as `hang/` does; connections stay as they are."""
        (self._folder / "hanging").touch()

    def cpu(self) -> float:
        """CPU seconds so far, its workers included."""
        processes = [psutil.Process(self.pid)]
        processes += processes[0].children()
        times = [process.cpu_times() for process in processes]
        return sum(one.user + one.system for one in times)

    def arrived(self) -> Iterator[tuple[float, str, int, str]]:
        """(time, webhook-id, status, path) of each request that was not read before.

        The time is when the answer had been sent, in seconds since the epoch, to the
        millisecond. nginx writes them 0.1 s late at most.
        """
        path = self._folder / "arrived.log"
        if not path.exists():
            return
        with path.open("rb") as log:
            log.seek(self._read_to)
            for line in log:
                if not line.endswith(b"\n"):
                    return
                self._read_to += len(line)
                at, webhook_id, status, uri = line.decode().split(" ", 3)
                yield float(at), webhook_id, int(status), uri.strip()

    def forget(self) -> None:
        """Reads past everything that was sent so far."""
        time.sleep(2 * LOG_SECONDS)
        for _ in self.arrived():
            pass

    def _listens(self) -> bool:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        return False


def find_nginx(cache: Path) -> tuple[str, str]:
    """nginx and its echo module: installed, else fetched and unpacked in `cache`.

    Raises NotInstalledError.
    """
    module = "usr/lib/nginx/modules/ngx_http_echo_module.so"
    installed = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if installed and Path("/", module).exists():
        return installed, f"/{module}"
    root = programs.unpacked(cache, *PACKAGES)
    return str(root / "usr/sbin/nginx"), str(root / module)
