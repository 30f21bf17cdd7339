"""Which processes make up the stack."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdrhook.supervisor.programs import programs
from cdrhook.supervisor.valkey import LAST_STAGE


def lines(*, has_one_writer: bool, cores: int = 2, **has: bool) -> dict[str, str]:
    has = {"has_summaries": False, **has}
    found = programs(has_one_writer=has_one_writer, cores=cores, **has)
    return {one.name: " ".join(one.command) for one in found}


def test_sqlite_gets_one_worker_for_both_lanes() -> None:
    found = lines(has_one_writer=True, cores=8)
    assert list(found) == ["web", "worker", "beat", "collect"]
    assert "worker --loglevel WARNING --queues fast,slow" in found["worker"]


def test_postgresql_gets_a_worker_a_core_and_one_for_the_slow_lane() -> None:
    found = lines(has_one_writer=False, cores=2)
    assert list(found) == ["web", "fast1", "fast2", "slow", "beat", "collect"]
    assert "--queues fast " in found["fast2"]
    assert "--queues slow " in found["slow"]


@pytest.mark.parametrize("has_one_writer", [True, False])
def test_summaries_have_a_worker_of_their_own_if_their_packages_are_installed(
    has_one_writer: bool,
) -> None:
    found = lines(has_one_writer=has_one_writer, has_summaries=True)
    assert "--queues summaries --hostname summaries@%h" in found["summaries"]
    assert "--pool threads --concurrency 4" in found["summaries"]
    assert sum("summaries" in line for line in found.values()) == 1


@pytest.mark.parametrize("has_one_writer", [True, False])
def test_messages_of_others_have_a_worker_of_their_own_if_the_broker_is_shared(
    has_one_writer: bool,
) -> None:
    found = lines(has_one_writer=has_one_writer, has_shared_broker=True)
    assert "--queues enqueue --hostname enqueue@%h" in found["enqueue"]
    assert sum("enqueue" in line for line in found.values()) == 1


def test_only_workers_say_worker_in_their_command_lines() -> None:
    found = lines(has_one_writer=False, has_summaries=True)
    said = {name for name, line in found.items() if " worker " in line}
    assert said == {"fast1", "fast2", "slow", "summaries"}
    assert "worker" not in found["web"].replace(str(Path.cwd()), "")


def test_web_and_beat_stop_first_then_workers_then_valkey_within_20_seconds() -> None:
    found = programs(has_one_writer=True, cores=1, has_summaries=True)
    stages = {one.name: one.stage for one in found}
    assert stages["web"] == stages["beat"] == stages["collect"] < stages["worker"]
    assert stages["worker"] < LAST_STAGE
    longest = {one.stage: one.grace_seconds for one in found}
    assert sum(longest.values()) + 1.5 < 20
