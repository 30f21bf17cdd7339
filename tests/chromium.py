"""A Chromium: the one on PATH, or Debian's, unpacked without root with what it needs."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests import programs
from tests.environment import FOLDER

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Kept between runs: 400 MB. Another folder can be named where there is no room.
CACHE = Path(os.environ.get("CDRHOOK_TEST_CACHE") or Path.home() / ".cache" / "cdrhook")


@dataclass(frozen=True)
class Program:
    """Where it is, and what its environment must say."""

    path: str
    env: dict[str, str] = field(default_factory=dict)


def find() -> Program:
    """The browser. Fails in CI where there is none to be had; elsewhere skips."""
    for name in NAMES:
        if installed := shutil.which(name):
            return Program(installed)
    try:
        return unpacked(_folder())
    except programs.NotInstalledError as error:
        message = f"no Chromium on PATH, and Debian's cannot be had: {error}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)


def unpacked(folder: Path) -> Program:
    """Debian's, with every library that this machine has not got."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        # The suite runs in several processes.
        fcntl.flock(lock, fcntl.LOCK_EX)
        root = programs.unpacked(folder, *_packages())
    libraries = sorted(root.glob("usr/lib/*-linux-gnu")) + sorted(
        root.glob("lib/*-linux-gnu")
    )
    # Some keep theirs in folders of their own (libpulse).
    own = [path.parent for one in libraries for path in one.glob("*/lib*.so*")]
    paths = ":".join(map(str, dict.fromkeys([*libraries, *own])))
    fonts = {"FONTCONFIG_SYSROOT": str(root)} if not Path("/etc/fonts").exists() else {}
    return Program(
        str(root / "usr/lib/chromium/chromium"), {"LD_LIBRARY_PATH": paths, **fonts}
    )


def _folder() -> Path:
    try:
        CACHE.mkdir(parents=True, exist_ok=True)
    except OSError:
        return FOLDER / "debian"
    return CACHE


def _packages() -> list[str]:
    """Chromium and all that it depends on and that is not installed."""
    closure = _lines(
        *("apt-cache", "depends", "--recurse", "--no-recommends", "--no-suggests"),
        *("--no-conflicts", "--no-breaks", "--no-replaces", "--no-enhances"),
        "chromium",
    )
    needed = {line for line in closure if line[:1] not in {" ", "<", ""}}
    installed = set(_lines("dpkg-query", "-W", "-f", "${Package}\n"))
    others = sorted(name for name in needed - installed if ":" not in name)
    # The program looks for its data beside itself, not where they are installed.
    return list(dict.fromkeys(["chromium", "chromium-common", *others]))


def _lines(*command: str) -> list[str]:
    try:
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise programs.NotInstalledError(str(error)) from error
    return done.stdout.splitlines()
