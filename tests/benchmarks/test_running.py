"""Rows run one after the other, each by itself; what is done is kept."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from benchmarks import running
from benchmarks.running import Results, chosen, run_all
from benchmarks.values import NOT_VERIFIED
from tests.benchmarks.results import result, row
from tests.programs import wait_for

if TYPE_CHECKING:
    from pathlib import Path

ROWS = {name: row(name) for name in ("drain", "ingest", "light")}
# Says its child's process id, and stays; neither can be asked to end.
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(sys.argv[1] + ".new", "w").write(str(child.pid))
__import__("os").rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(600)
"""


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path)


def keep(results: Results, *names: str) -> None:
    for name in names:
        results.path(name).write_text(json.dumps(result(name)))


# Which rows -----------------------------------------------------------------------------


def test_a_row_that_has_a_result_is_left_out(results):
    keep(results, "ingest")

    assert [one.name for one in chosen(ROWS, [], results)] == ["drain", "light"]


def test_a_row_that_is_named_is_measured_again(results):
    keep(results, "ingest")

    assert [one.name for one in chosen(ROWS, ["ingest"], results)] == ["ingest"]


def test_all_are_measured_once_results_are_forgotten(results):
    keep(results, *ROWS)

    results.forget(*ROWS)

    assert chosen(ROWS, [], results) == list(ROWS.values())


# Failures -------------------------------------------------------------------------------


def test_a_row_that_cannot_be_verified_fails_the_run_and_the_others_go_on(
    results, capsys
):
    seen = []

    def measure(one):
        seen.append(one.name)
        return "could not be verified" if one.name == "drain" else ""

    failed = run_all(list(ROWS.values()), results, measure)

    assert failed == {"drain": "could not be verified"}
    assert seen == [*ROWS]
    assert "== drain: FAILED: could not be verified" in capsys.readouterr().out


def test_a_row_that_fails_loses_the_result_that_it_had(results):
    keep(results, "drain", "light")

    run_all([ROWS["drain"]], results, lambda one: "it ended with status 1")

    assert results.read("drain") is None
    assert results.read("light") is not None


def test_an_interruption_keeps_every_result(results):
    keep(results, "drain")

    def measure(one):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_all([ROWS["drain"]], results, measure)

    assert results.read("drain") == json.loads(json.dumps(result("drain")))


# Processes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("", ""),
        (f"raise SystemExit({NOT_VERIFIED})", "could not be verified"),
        ("raise SystemExit(7)", "it ended with status 7"),
    ],
)
def test_the_exit_status_says_why_a_row_failed(script, reason):
    with running.group([sys.executable, "-S", "-c", script]) as process:
        assert running.reason_of(process, 30) == reason


def test_a_row_that_takes_too_long_ends_with_all_that_it_started(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "STOP_SECONDS", 0.1)
    told = tmp_path / "child"

    with running.group([sys.executable, "-S", "-c", STUBBORN, str(told)]) as process:
        wait_for("the row's child", told.exists)
        assert running.reason_of(process, 0.01) == "it took more than 0.01 s"

    assert_ends(int(told.read_text()))


def test_a_row_ends_in_order_when_it_is_asked_to(tmp_path):
    told = tmp_path / "ended"
    script = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(open(sys.argv[1], 'w').close()))\n"
        "open(sys.argv[1] + '.began', 'w').close()\n"
        "time.sleep(600)\n"
    )

    with running.group([sys.executable, "-S", "-c", script, str(told)]):
        wait_for("the row's start", (tmp_path / "ended.began").exists)

    assert told.exists()


def test_a_row_ends_when_whoever_runs_it_is_killed(tmp_path):
    told = tmp_path / "row"
    inner = (
        "import os, sys, time; open(sys.argv[1] + '.new', 'w').write(str(os.getpid()));"
        "os.rename(sys.argv[1] + '.new', sys.argv[1]); time.sleep(600)"
    )
    outer = (
        "import sys, time\nfrom benchmarks.running import group\n"
        f"with group([sys.executable, '-S', '-c', {inner!r}, sys.argv[1]]):\n"
        "    time.sleep(600)\n"
    )
    runner = subprocess.Popen([sys.executable, "-c", outer, str(told)])
    wait_for("the row's start", told.exists)

    runner.send_signal(signal.SIGKILL)
    runner.wait()

    assert_ends(int(told.read_text()))


def assert_ends(pid: int) -> None:
    """It ends, or is a zombie that nobody has waited for."""

    def ended() -> bool:
        try:
            return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    began = time.monotonic()
    wait_for("the process's end", ended)
    assert time.monotonic() - began < 5
