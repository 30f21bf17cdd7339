"""How far an import is, on a terminal and in a log."""

from __future__ import annotations

import io

from dispatcher.management.progress import Progress


class Terminal(io.StringIO):
    """Somebody looks at it."""

    def isatty(self) -> bool:
        """They do."""
        return True


def progress(size: int | None, out: io.StringIO, *times: float) -> Progress:
    moments = iter(times)
    return Progress(size, clock=lambda: next(moments), out=out)


def test_on_a_terminal_one_line_is_written_over_and_taken_away():
    out = Terminal()
    shown = progress(1000, out, 0, 10, 10.1, 20)

    shown.show(250, 5000, 3)
    shown.show(251, 5001, 3)
    shown.show(500, 10_000, 3)
    shown.clear()

    first, second, *cleared = out.getvalue().split("\r")[1:]
    assert (
        first
        == "[######------------------]  25%  5,000 records, 500/s, 3 rejected, 0:30 left"
    )
    assert second.startswith("[############------------]  50%  10,000 records, 500/s")
    assert [line.strip() for line in cleared] == ["", ""]


def test_in_a_log_there_is_a_line_every_ten_seconds():
    out = io.StringIO()
    shown = progress(None, out, 0, 5, 10, 11, 20)

    for records in (10, 20, 30, 40):
        shown.show(0, records, 0)
    shown.clear()

    assert (
        out.getvalue() == "20 records, 2/s, 0 rejected\n40 records, 2/s, 0 rejected\n"
    )
