"""Becomes the command it is given, after asking to die with its parent.

Usage: `python -I -S child.py PARENT_PID SIGNAL COMMAND...`. Standard library only and
run without site-packages, so that it costs a few milliseconds. A process of its own
instead of a `preexec_fn`: that one is not safe in a process that has threads.
Asks for nothing where there is no prctl(2) (macOS).
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1


def die_with_parent(parent_pid: int, death_signal: int) -> None:
    """Has the kernel send `death_signal` to this process when its parent ends.

    Survives exec, not fork. Exits at once where the parent has ended before the kernel
    was asked.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent_pid:
        sys.exit(1)


def main() -> None:
    """Reads the command line and replaces this process by COMMAND."""
    parent_pid, death_signal, *command = sys.argv[1:]
    die_with_parent(int(parent_pid), int(death_signal))
    try:
        os.execvp(command[0], command)  # noqa: S606  no shell is wanted
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
