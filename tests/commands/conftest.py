"""How the tests run a management command."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from django.core.management import get_commands, load_command_class
from django.db import connections

if TYPE_CHECKING:
    from collections.abc import Callable


class Ran(NamedTuple):
    """What a program that ran the command would see."""

    code: int
    out: str
    err: str

    @property
    def answer(self) -> Any:
        """The one line of JSON on standard output."""
        assert self.out.count("\n") == 1
        return json.loads(self.out)

    @property
    def problem(self) -> Any:
        """The problem object on standard error."""
        return json.loads(self.err)

    @property
    def fields(self) -> list[str]:
        """The arguments at fault."""
        return [error["field"] for error in self.problem["errors"]]


@pytest.fixture
def run(db: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """run("createtenant", "Acme", ...) as from a shell."""
    # The test's transaction lives on the connection that a command closes at its end.
    monkeypatch.setattr(connections, "close_all", lambda: None)

    def make(name: str, *arguments: str) -> Ran:
        out, err = io.StringIO(), io.StringIO()
        code = 0
        with redirect_stdout(out), redirect_stderr(err):
            command = load_command_class(get_commands()[name], name)
            try:
                command.run_from_argv(["cdrhook", name, *map(str, arguments)])
            except SystemExit as ended:
                code = int(ended.code or 0)
        return Ran(code, out.getvalue(), err.getvalue())

    return make
