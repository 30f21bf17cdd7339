"""The whole of cdrhook in real processes, as `cdrhook up` starts them."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import psutil
import requests

from cdrhook.supervisor.ports import free_port
from tests import environment, servers
from tests.e2e.console import CDRHOOK, Console
from tests.programs import wait_for

READY_SECONDS = 90
# What an upload may take there.
UPLOAD_SECONDS = 5


class Stack:
    """Talks to it as strangers do: commands, HTTP, signals."""

    def __init__(self, **settings: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cdrhook-e2e-"))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {
            **os.environ,
            "CDRHOOK_DATA_DIR": str(self.folder),
            "PORT": str(self.port),
            "DJANGO_SUPERUSER_USERNAME": "admin",
            "DJANGO_SUPERUSER_PASSWORD": secrets.token_hex(8),
            "LOG_LEVEL": "INFO",
            # Windows of 2 s, so that nobody waits for 5 minutes.
            "CDRHOOK_FEED_SECONDS": "2",
            "CDRHOOK_UPLOAD_SECONDS": str(UPLOAD_SECONDS),
            **settings,
        }
        self.env.pop("REDIS_URL")
        if environment.DATABASE == "postgres":
            name = f"e2e_{secrets.token_hex(4)}"
            servers.create_database(name)
            self.env["DATABASE_URL"] = environment.postgres_url(name)
        self.log = (self.folder / "up.log").open("wb")
        self.process = subprocess.Popen(
            [CDRHOOK, "up"], env=self.env, stdout=self.log, stderr=self.log
        )
        self.session = requests.Session()
        self._console = Console(self.env)
        try:
            wait_for("readiness", self.is_ready, READY_SECONDS)
        except BaseException:
            self.stop()
            raise

    def is_ready(self) -> bool:
        """True when /readyz says so."""
        assert self.process.poll() is None, self.tail()
        try:
            return self.session.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def tail(self) -> str:
        """The end of the log, for messages."""
        return (self.folder / "up.log").read_text(errors="replace")[-2000:]

    def command(self, *args: object) -> Any:
        """Runs a management command; gives its JSON."""
        return self._console.command(*args)

    def run(self, code: str, *args: str) -> str:
        """Runs Python within Django; what it printed."""
        return self._console.run(code, *args)

    def tenant(self) -> Tenant:
        """A new tenant with a token of every scope."""
        name = f"t-{secrets.token_hex(4)}"
        self.command("createtenant", name, "--external-id", name)
        scopes = [word for scope in SCOPES for word in ("--scope", scope)]
        token = self.command("createtoken", "--tenant", name, *scopes)["token"]
        return Tenant(self, name, token)

    def partner(self) -> Partner:
        """A new partner with one tenant and a token of every scope."""
        made = self.command("createpartner", "Operator")["id"]
        name = f"t-{secrets.token_hex(4)}"
        self.command("createtenant", name, "--external-id", name, "--partner", made)
        scopes = [word for scope in SCOPES for word in ("--scope", scope)]
        token = self.command("createtoken", "--partner", made, *scopes)["token"]
        return Partner(self, name, token)

    def collectors(self) -> list[psutil.Process]:
        """`cdrhook collect` among the children."""
        children = psutil.Process(self.process.pid).children()
        return [child for child in children if "collect" in child.cmdline()]

    def workers(self) -> list[psutil.Process]:
        """The Celery workers among the children."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in children if "worker" in child.cmdline()]

    def broker_url(self) -> str:
        """Where the Valkey that `up` started listens."""
        runtime = json.loads((self.folder / "runtime.json").read_text())
        return str(runtime["redis_url"])

    def stop(self) -> None:
        """Ends it as an operator would; nothing may be left."""
        self._console.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(25)
        finally:
            self.process.kill()
            self.log.close()
            self.session.close()
            shutil.rmtree(self.folder, ignore_errors=True)


SCOPES = ("ingest", "read", "manage")
_ARGS = "import json, os; from dispatcher.models import *; a = json.loads(os.environ['ARGS']); "
_MAKE_SOURCE = (
    f"{_ARGS} t = Tenant.objects.get(external_id=a[0]);"
    " print(Source.objects.create(tenant=t, name=a[1], **json.loads(a[2])).pk)"
)
_IS_WELL = (
    f"{_ARGS} s = Source.objects.get(pk=a[0]);"
    " print(bool(s.collector) and not s.trouble and (bool(s.cursor) or 'ami' in s.connection))"
)


class Tenant:
    """A tenant of a stack, and its token."""

    def __init__(self, stack: Stack, external_id: str, token: str) -> None:
        self.stack, self.external_id = stack, external_id
        self.headers = {"Authorization": f"Bearer {token}"}

    def webhook(self, url: str, **settings: Any) -> str:
        """Creates a webhook, by default of style envelope; gives its id."""
        created = self.post(
            {"url": url, "style": "envelope", **settings}, "/api/v1/webhooks"
        )
        assert created.status_code == 201, created.text
        return str(created.json()["id"])

    def source(self, name: str, **settings: str) -> str:
        """Makes a source of what is fetched; gives its id."""
        return self.stack.run(
            _MAKE_SOURCE, self.external_id, name, json.dumps(settings)
        )

    def source_is_well(self, source: str) -> bool:
        """Whether it has been fetched from, and nothing is in the way."""
        return self.stack.run(_IS_WELL, source) == "True"

    def post(self, body: Any, path: str = "/api/v1/cdrs") -> requests.Response:
        """POSTs JSON, or bytes as they are."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.stack.session.post(
            self.stack.url + path, data=data, headers=self.headers, timeout=60
        )

    def change(self, webhook: str, **settings: Any) -> None:
        """Changes a webhook's settings."""
        changed = self.stack.session.patch(
            f"{self.stack.url}/api/v1/webhooks/{webhook}",
            json=settings,
            headers=self.headers,
            timeout=60,
        )
        assert changed.status_code == 200, changed.text

    def get(self, path: str, **params: Any) -> Any:
        """GETs JSON."""
        answer = self.stack.session.get(
            self.stack.url + path, params=params, headers=self.headers, timeout=30
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def deliveries(self, **params: Any) -> list[dict[str, Any]]:
        """The newest deliveries, at most 200."""
        items: list[dict[str, Any]] = self.get(
            "/api/v1/deliveries", limit=200, **params
        )["items"]
        return items


class Partner(Tenant):
    """A partner of a stack, its token, and its one tenant."""

    def take(self, *cdrs: Any) -> None:
        """Has the tenant's calls accepted."""
        path = f"/api/v1/cdrs?tenant={self.external_id}"
        assert self.post({"cdrs": cdrs}, path).status_code == 202


def call(uid: str, **values: Any) -> dict[str, Any]:
    """A call as POST /api/v1/cdrs takes it."""
    return {
        "uid": uid,
        "started_at": "2026-11-20T09:37:35+00:00",
        "answered_at": "2026-11-20T09:37:40+00:00",
        "ended_at": "2026-11-20T09:38:45+00:00",
        "duration": 70,
        "direction": "inbound",
        "disposition": "answered",
        "caller": {"number": "+442031703746", "name": 'Zoë "Z" Ångström & Söhne'},
        "dialed": {"number": "+442039702436"},
        "rating": {"cost": "0.0350"},
        **values,
    }
