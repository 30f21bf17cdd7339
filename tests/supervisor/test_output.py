"""What children print is passed on, and never makes them wait."""

from __future__ import annotations

import io
import os
import threading

from cdrhook.supervisor.output import MAX_WAITING_LINES, Output


class Stuck(io.BytesIO):
    """A terminal that takes nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def write(self, data: object) -> int:
        """Waits."""
        self.go.wait(10)
        return super().write(data)  # type: ignore[arg-type]  # bytes, as Output gives


class Closed(io.BytesIO):
    """A terminal that is gone."""

    def write(self, data: object) -> int:
        """Refuses."""
        raise BrokenPipeError


def test_lines_get_the_name_of_who_printed_them() -> None:
    out, err = io.BytesIO(), io.BytesIO()
    output = Output(out, err)
    output.say("hello")
    read, write = os.pipe()
    output.follow("web", os.fdopen(read, "rb"))
    os.write(write, b"one\n\ntwo")
    os.close(write)
    _wait_for_lines(out, 2)
    assert err.getvalue() == b"up     | hello\n"
    assert out.getvalue() == b"web    | one\nweb    | two\n"


def test_lines_are_dropped_and_counted_when_the_terminal_is_stuck() -> None:
    stuck = Stuck()
    output = Output(stuck, stuck)
    for _ in range(MAX_WAITING_LINES + 500):
        output.say("line")
    stuck.go.set()
    output.flush(10)
    assert b"lines of output were dropped" in stuck.getvalue()


def test_a_terminal_that_is_gone_changes_nothing() -> None:
    output = Output(Closed(), Closed())
    output.say("one")
    output.say("two")
    output.flush()
    assert output._lines.unfinished_tasks == 0


def _wait_for_lines(stream: io.BytesIO, count: int) -> None:
    from tests.programs import wait_for

    wait_for("output", lambda: stream.getvalue().count(b"\n") >= count, 5)
