"""Children are kept running, and end with their supervisor."""

from __future__ import annotations

import signal
import time

import psutil
import pytest

from tests.programs import wait_for
from tests.supervisor.supervised import (
    Supervised,
    is_pid_alive,
    shell,
    wait_until_gone,
)

STAYS = "echo up; while :; do sleep 0.05; done"
SAYS_BYE = "trap 'echo bye; exit 0' TERM; " + STAYS
STUBBORN = "trap '' TERM; " + STAYS


def test_it_starts_a_child_again_that_has_died() -> None:
    with Supervised(shell("one", "echo here; exit 3")) as supervised:
        supervised.wait_for_line("one    | here", times=3)
        supervised.wait_for_line(
            "one ended with exit code 3; starting it again in 0.2 s"
        )
        supervised.wait_for_line(
            "one ended with exit code 3; starting it again in 0.4 s"
        )


def test_it_says_by_which_signal_a_child_was_killed() -> None:
    with Supervised(shell("one", "kill -9 $$")) as supervised:
        supervised.wait_for_line("one was killed by SIGKILL")


def test_it_goes_on_when_a_program_does_not_exist() -> None:
    with Supervised(
        {"name": "gone", "command": ["/no/such/program"]}, shell("one", STAYS)
    ) as supervised:
        supervised.wait_for_line("/no/such/program: No such file or directory", times=2)
        supervised.wait_for_line("one    | up")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_stops_its_children_and_exits_0_on(number: signal.Signals) -> None:
    with Supervised(shell("one", SAYS_BYE)) as supervised:
        supervised.wait_for_line("up")
        code = supervised.end(number)
        supervised.wait_for_line("one    | bye")
        assert code == 0
        assert supervised.members() == []


def test_it_stops_stage_after_stage() -> None:
    slow = "trap 'sleep 0.3; echo bye; exit 0' TERM; " + STAYS
    with Supervised(
        shell("last", SAYS_BYE, stage=2),
        shell("first", slow, stage=0),
        shell("second", slow, stage=1),
    ) as supervised:
        supervised.wait_for_line("| up", times=3)
        supervised.end(signal.SIGTERM)
        supervised.wait_for_line("| bye", times=3)
    byes = [line.split()[0] for line in supervised.lines if "bye" in line]
    assert byes == ["first", "second", "last"]


def test_it_kills_a_child_that_does_not_stop_within_its_grace() -> None:
    with Supervised(shell("one", STUBBORN, grace_seconds=0.3)) as supervised:
        supervised.wait_for_line("up")
        assert supervised.end(signal.SIGTERM) == 0
        supervised.wait_for_line("one is killed")
        assert supervised.members() == []


def test_a_second_ctrl_c_hastens_the_stop() -> None:
    with Supervised(shell("one", STUBBORN, grace_seconds=60)) as supervised:
        supervised.wait_for_line("up")
        began = time.monotonic()
        supervised.process.send_signal(signal.SIGINT)
        with pytest.raises(psutil.TimeoutExpired):
            psutil.Process(supervised.process.pid).wait(0.5)
        assert supervised.end(signal.SIGINT) == 0
        assert time.monotonic() - began < 5


def test_nothing_is_left_when_the_supervisor_is_killed() -> None:
    with Supervised(shell("one", STUBBORN), shell("two", STAYS)) as supervised:
        supervised.wait_for_line("| up", times=2)
        members = supervised.members()
        supervised.process.kill()
        wait_until_gone(members, 5)
        assert len(members) >= 3


def test_what_a_dead_child_leaves_behind_is_killed() -> None:
    with Supervised(shell("one", "sleep 1000 & echo left $!; exit 1")) as supervised:
        supervised.wait_for_line("one ended with exit code 1")
        supervised.wait_for_line("one    | left")
        said = next(line for line in supervised.lines if "| left" in line)
        left = int(said.split()[-1])
        wait_for("the end of what was left", lambda: not is_pid_alive(left), 5)


def test_a_child_is_in_its_own_group_in_the_supervisors_session() -> None:
    with Supervised(shell("one", "ps -o pgid=,sid= -p $$; " + STAYS)) as supervised:
        supervised.wait_for_line("up")
    group, session = supervised.lines[0].split("|")[1].split()
    assert session == str(supervised.process.pid)
    assert group != session
