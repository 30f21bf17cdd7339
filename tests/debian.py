"""Programs of Debian that the suite tests against, whether they are installed or not.

One that is not installed is fetched as its package and unpacked, which needs no root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.environment import FOLDER


def program(name: str, package: str) -> Path:
    """Where the program is. Fails in CI where it cannot be had; elsewhere skips."""
    if installed := shutil.which(name):
        return Path(installed)
    folder = FOLDER / package
    folder.mkdir(exist_ok=True)
    try:
        _run("apt-get", "download", package, cwd=folder)
        (archive,) = folder.glob(f"{package}_*.deb")
        _run("dpkg-deb", "-x", str(archive), str(folder), cwd=folder)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        message = f"{name} is not installed, and its package cannot be had: {error}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return folder / "usr/bin" / name


def _run(*command: str, cwd: Path) -> None:
    subprocess.run(command, cwd=cwd, check=True, capture_output=True, timeout=120)
