"""The audit of dependencies fails on findings, and never says that all is well unasked."""

from __future__ import annotations

import pytest

from tests import advisories

GOOD = {"name": "a", "version": "1", "vulns": []}
BAD = {"name": "b", "version": "2", "vulns": [{"id": "X-1", "fix_versions": ["3"]}]}
UNKNOWN = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("found", "code", "told"),
    [
        ([GOOD, BAD], 1, "2 dependencies audited, 0 not: 1 findings"),
        ([GOOD, UNKNOWN], 0, "1 dependencies audited, 1 not: 0 findings"),
        ([UNKNOWN], 0, advisories.NOT_AUDITED),
        ([], 0, advisories.NOT_AUDITED),
    ],
    ids=["a finding", "nothing found", "nothing known", "nothing reached"],
)
def test_it_says_what_came_of_it(monkeypatch, capsys, found, code, told):
    monkeypatch.setattr(advisories, "advisories", lambda: found)
    assert advisories.main() == code
    assert capsys.readouterr().out.splitlines()[-1] == told
