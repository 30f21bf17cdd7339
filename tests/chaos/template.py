"""What every run begins with, made once: tables, a tenant and its token.

As files that are copied, because migrating takes longer than many a fault.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import psycopg

from cdrhook.supervisor.ports import free_port
from tests import programs
from tests.chaos.processes import ROOT
from tests.chaos.servers import DATABASE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TENANT: Final = "acme"
SCOPES: Final = ("ingest", "read", "manage")
SQLITE_FILE: Final = "cdrhook.sqlite3"
SETTINGS: Final = {
    "SECRET_KEY": "a key for chaos only, which protects nothing at all",
    "FIELD_ENCRYPTION_KEYS": "",
    "DEBUG": "0",
    "HOST": "127.0.0.1",
    "ALLOWED_HOSTS": "127.0.0.1",
    "CDRHOOK_ALLOW_HTTP": "1",
    "CDRHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
    "DJANGO_SETTINGS_MODULE": "cdrhook.settings",
    "LOG_LEVEL": "WARNING",
    "METRICS_TOKEN": "",
}
_OF_ONE_RUN: Final = ("DATABASE_URL", "REDIS_URL", "PUBLIC_URL", "PORT")


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """The environment of cdrhook's processes, with a data folder."""
    inherited = {key: os.environ[key] for key in os.environ if key not in _OF_ONE_RUN}
    return {**inherited, **SETTINGS, "CDRHOOK_DATA_DIR": str(folder), **settings}


def command(env: Mapping[str, str], *words: str, seconds: float = 120) -> Any:
    """Runs a management command; with --json its answer. Raises AssertionError."""
    done = subprocess.run(
        [sys.executable, "-m", "cdrhook", *words],
        env=dict(env),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, f"cdrhook {' '.join(words)}: {done.stderr[-2000:]}"
    return json.loads(done.stdout) if "--json" in words else None


def make_sqlite(folder: Path) -> None:
    """Into `folder`: the database's file, and token.json beside it."""
    folder.mkdir()
    _fill(folder, environment(folder))


def make_postgres(folder: Path) -> None:
    """Into `folder`: `postgres` with the cluster, its programs if need be, token.json."""
    folder.mkdir(mode=0o755)
    port = free_port()
    with programs.postgres(folder, port):
        with psycopg.connect(
            programs.postgres_url(port, "postgres"), autocommit=True
        ) as connection:
            connection.execute(f'CREATE DATABASE "{DATABASE}"'.encode())
        url = programs.postgres_url(port, DATABASE)
        _fill(folder, environment(folder, DATABASE_URL=url))


def _fill(folder: Path, env: Mapping[str, str]) -> None:
    command(env, "migrate", "--verbosity", "0")
    command(env, "createtenant", "Acme", "--external-id", TENANT, "--json")
    scopes = [word for scope in SCOPES for word in ("--scope", scope)]
    made = command(env, "createtoken", "--tenant", TENANT, *scopes, "--json")
    (folder / "token.json").write_text(json.dumps(made))


def token(template: Path) -> str:
    """The token of the template's tenant."""
    return str(json.loads((template / "token.json").read_text())["token"])


MAKERS: Final = {"sqlite": make_sqlite, "postgres": make_postgres}
