"""Programs of Debian that the suite tests against, whether they are installed or not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests import programs
from tests.environment import FOLDER


def program(name: str, package: str) -> Path:
    """Where the program is. Fails in CI where it cannot be had; elsewhere skips."""
    if installed := shutil.which(name):
        return Path(installed)
    try:
        return programs.unpacked(FOLDER / "debian", package) / "usr/bin" / name
    except programs.NotInstalledError as error:
        message = f"{name} is not installed: {error}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
