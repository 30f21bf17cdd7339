"""Says whether a CDR passes a webhook's filters, and if not, which one kept it out.

Keeps the compiled filters, because each call is held against every webhook.

A filter that cannot be understood (it was saved before a rule changed) holds for no
call: a receiver is never sent what it may have asked not to get, accepting calls goes
on, and `explain` names the filter on the call's page.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from dispatcher.filters.conditions import BadFilterError, Test, compiled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dispatcher.values import Cdr, Filter


def matches(cdr: Cdr, filters: Sequence[Filter]) -> bool:
    """True if every filter holds; no filters: every call (dimensions.txt)."""
    return passes(cdr, tests_of(tuple(filters)))


def passes(cdr: Cdr, tests: Sequence[Test]) -> bool:
    """The same, for who holds many calls against the same filters."""
    for test in tests:  # noqa: SIM110 - a generator costs as much as two filters
        if not test(cdr):
            return False
    return True


def explain(cdr: Cdr, filters: Sequence[Filter]) -> Filter | None:
    """The first filter that keeps the call out; None if it passes."""
    for condition, test in zip(filters, tests_of(tuple(filters)), strict=True):
        if not test(cdr):
            return condition
    return None


@lru_cache(maxsize=4096)
def tests_of(filters: tuple[Filter, ...]) -> tuple[Test, ...]:
    """The compiled filters, for `passes`."""
    return tuple(_test(condition) for condition in filters)


def _test(condition: Filter) -> Test:
    try:
        return compiled(condition)
    except BadFilterError:
        return lambda _cdr: False
