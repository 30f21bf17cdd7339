"""Which tests run one after another in one process, and in what order.

What takes long to start is started once for those that share it, not once a process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    import pytest

# Tests of real processes, which wait more than they work.
WAITING: Final = (
    "tests/browser/",
    "tests/commands/test_killed_imports.py",
    "tests/demo/",
    "tests/e2e/",
    "tests/supervisor/",
)
# Each test has a stack of its own, to hurt it or to shorten its clocks.
OF_THEIR_OWN: Final = ("tests/e2e/test_crashes.py", "tests/e2e/test_health.py")
# Two stacks for all the others: one after another they would outlast everything else.
FIRST_STACK: Final = (
    "tests/e2e/test_collect.py",
    "tests/e2e/test_handed_over.py",
    "tests/e2e/test_legs.py",
    "tests/e2e/test_slow_clients.py",
)
STACKS: Final = ("the first stack", "the second stack")


class Together(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out groups of tests, in the order in which the first of each is collected."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        # Else the group with the most tests would be first.
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def group_of(nodeid: str) -> str:
    """Tests of one group run in one process."""
    file, _, rest = nodeid.partition("::")
    if file.startswith("tests/e2e/") and file not in OF_THEIR_OWN:
        return STACKS[file not in FIRST_STACK]
    # What they share is their module's.
    if file == "tests/supervisor/test_up.py" or file.startswith("tests/browser/"):
        return file
    return f"{file}::{rest.partition('[')[0]}"


def longest_first(item: pytest.Item) -> int:
    """Where a test goes: at the end, the other processes would wait for a long one."""
    if group_of(item.nodeid) in STACKS:
        return 0
    return 1 if item.nodeid.startswith(WAITING) else 2
