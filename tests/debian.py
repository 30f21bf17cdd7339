"""Programs of Debian that the suite tests against, whether they are installed or not."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import pytest

from tests import programs
from tests.environment import FOLDER

# Where servers are that an ordinary user's PATH does not name.
_SYSTEM = "/usr/sbin:/sbin"


@dataclass(frozen=True)
class Root:
    """Where packages are: `/`, or a folder that they were unpacked in.

    `env` is what their programs need there.
    """

    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    def program(self, name: str) -> Path:
        """Where one of their programs is."""
        found = shutil.which(
            name, path=":".join(str(self.folder / one) for one in _PROGRAMS)
        )
        assert found is not None, f"{name} is not in {self.folder}"
        return Path(found)

    def under_lib(self, path: str) -> Path:
        """A folder below /usr/lib/<the machine's triplet>."""
        return next(self.folder.glob(f"usr/lib/*-linux-gnu*/{path}"))


_PROGRAMS = ("usr/bin", "usr/sbin")


def program(name: str, package: str) -> Path:
    """Where the program is. Fails in CI where it cannot be had; elsewhere skips."""
    if installed := shutil.which(name):
        return Path(installed)
    try:
        return programs.unpacked(FOLDER / "debian", package) / "usr/bin" / name
    except programs.NotInstalledError as error:
        _missing(name, error)


def root(programs_of_them: tuple[str, ...], *packages: str) -> Root:
    """Where packages are whose programs are these; `program` says what if nowhere.

    Unpacked with every library that this machine has not got.
    """
    path = f"{os.environ.get('PATH', '')}:{_SYSTEM}"
    if all(shutil.which(name, path=path) for name in programs_of_them):
        return Root(Path("/"))
    try:
        return unpacked(*packages)
    except programs.NotInstalledError as error:
        _missing(", ".join(packages), error)


def unpacked(*packages: str) -> Root:
    """Packages in a folder of the suite's. Raises NotInstalledError."""
    folder = FOLDER / "debian"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        into = programs.unpacked(
            folder, *dict.fromkeys([*packages, *_needed(packages)])
        )
    libraries = [*into.glob("usr/lib/*-linux-gnu*"), *into.glob("lib/*-linux-gnu*")]
    paths = ":".join(map(str, libraries))
    return Root(into, {"LD_LIBRARY_PATH": paths})


def _needed(packages: tuple[str, ...]) -> list[str]:
    """All that packages depend on and that is not installed."""
    closure = _lines(
        *("apt-cache", "depends", "--recurse", "--no-recommends", "--no-suggests"),
        *("--no-conflicts", "--no-breaks", "--no-replaces", "--no-enhances"),
        *packages,
    )
    needed = {line for line in closure if line[:1] not in {" ", "<", ""}}
    installed = set(_lines("dpkg-query", "-W", "-f", "${Package}\n"))
    return sorted(name for name in needed - installed if ":" not in name)


def _lines(*command: str) -> list[str]:
    try:
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise programs.NotInstalledError(str(error)) from error
    return done.stdout.splitlines()


def _missing(what: str, error: Exception) -> NoReturn:
    message = f"{what} is not installed: {error}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)
