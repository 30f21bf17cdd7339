"""Management commands and Python in one process of a stack's own, one after another.

To start Django takes a second of a core; dozens of tests ask for some rows each.
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

CDRHOOK: Final = Path(sys.executable).with_name("cdrhook")
SECONDS: Final = 60
STOP_SECONDS: Final = 10

# Runs in the process: a line of JSON for each that is asked.
_SERVE: Final = """
import contextlib, io, json, os, sys, traceback
from django.core.management import call_command
from django.db import close_old_connections

for line in sys.stdin:
    asked, said = json.loads(line), io.StringIO()
    failed = ""
    close_old_connections()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            if "code" in asked:
                os.environ["ARGS"] = json.dumps(asked["args"])
                exec(asked["code"], {"__name__": "__console__"})
            else:
                call_command(*asked["args"])
    except SystemExit as error:
        failed = f"ended with {error.code}"
    except BaseException:
        failed = traceback.format_exc()
    print(json.dumps({"said": said.getvalue(), "failed": failed}), flush=True)
"""


class Console:
    """A process that does what it is asked; to be closed. Starts when first asked."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._process: subprocess.Popen[str] | None = None

    def command(self, *args: object) -> Any:
        """Runs a management command; gives its JSON."""
        return json.loads(self._ask({"args": [*map(str, args), "--json"]}))

    def run(self, code: str, *args: str) -> str:
        """Runs Python, which finds `args` in the environment as ARGS; what it printed."""
        return self._ask({"code": code, "args": args}).strip()

    def close(self) -> None:
        """Ends the process."""
        if self._process is None:
            return
        try:
            self._process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    def _ask(self, asked: Mapping[str, Any]) -> str:
        if self._process is None:
            self._process = subprocess.Popen(
                [CDRHOOK, "shell", "--verbosity", "0", "--command", _SERVE],
                env=self._env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        # It says one line each time, so that none can be in Python's buffer already.
        assert select.select([self._process.stdout], [], [], SECONDS)[0], "no answer"
        answered = self._process.stdout.readline()
        assert answered, f"the process has ended with {self._process.wait()}"
        told = json.loads(answered)
        assert not told["failed"], f"{told['said']}\n{told['failed']}"
        return str(told["said"])
