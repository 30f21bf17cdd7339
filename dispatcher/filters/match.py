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
    return first_failing(cdr, tests_of(tuple(filters))) is None


def first_failing(cdr: Cdr, tests: Sequence[Test]) -> Test | None:
    """The first that does not hold; for who holds many calls against the same filters."""
    for test in tests:
        if not test(cdr):
            return test
    return None


def explain(cdr: Cdr, filters: Sequence[Filter]) -> Filter | None:
    """The first filter that keeps the call out; None if it passes."""
    tests = tests_of(tuple(filters))
    failing = first_failing(cdr, tests)
    return None if failing is None else filters[tests.index(failing)]


@lru_cache(maxsize=4096)
def tests_of(filters: tuple[Filter, ...]) -> tuple[Test, ...]:
    """The compiled filters, for `first_failing`."""
    return tuple(_test(condition) for condition in filters)


def _test(condition: Filter) -> Test:
    try:
        return compiled(condition)
    except BadFilterError:
        return lambda _cdr: False
