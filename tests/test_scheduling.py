"""Tests that share what takes long to start run in one process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scheduling import FIRST_STACK, OF_THEIR_OWN, STACKS, WAITING, group_of

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("nodeid", "expected"),
    [
        ("tests/e2e/test_collect.py::test_a", STACKS[0]),
        ("tests/e2e/test_replay.py::test_b[::x]", STACKS[1]),
        ("tests/e2e/test_health.py::test_c[1]", "tests/e2e/test_health.py::test_c"),
        ("tests/supervisor/test_up.py::test_d", "tests/supervisor/test_up.py"),
        ("tests/browser/test_pages.py::test_e[x]", "tests/browser/test_pages.py"),
        ("tests/api/test_cdrs.py::test_f[a[b]]", "tests/api/test_cdrs.py::test_f"),
    ],
)
def test_a_test_runs_with_those_that_share_with_it(nodeid: str, expected: str) -> None:
    assert group_of(nodeid) == expected


@pytest.mark.parametrize("path", [*FIRST_STACK, *OF_THEIR_OWN, *WAITING])
def test_what_is_named_is_there(path: str) -> None:
    assert (ROOT / path).exists()
