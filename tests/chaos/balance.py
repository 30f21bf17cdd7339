"""Holds `cdrhook balance --check` against what PBX and receivers know of a run."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

from tests.chaos.checker import taken_uids
from tests.chaos.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.chaos.evidence import Evidence

SECONDS: Final = 120.0
# The clock of the run may have been stepped, an hour each time.
_AROUND: Final = dt.timedelta(hours=8)


def problems(
    evidence: Evidence,
    env: Mapping[str, str],
    inside: Sequence[str],
    *,
    counts_all: bool = True,
) -> list[str]:
    """What is wrong with it. `inside`: what the command is run by, see `disk`.

    `counts_all`: every call of the run came when there was a balance already.
    """
    now = dt.datetime.now(dt.UTC)
    done = subprocess.run(
        [
            *(*inside, sys.executable, "-m", "cdrhook", "balance", "--check", "--json"),
            *("--since", (now - _AROUND).isoformat()),
            *("--until", (now + _AROUND).isoformat()),
        ],
        env=dict(env),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode and not done.stdout:
        return [f"balance: {done.stderr[-500:]}"]
    told = json.loads(done.stdout)
    found: list[str] = []
    if counts_all:
        found += _disagreements(evidence, told["tenants"][0]["totals"])
    if done.returncode or not told["balanced"]:
        found += [f"balance: does not add up: {one}" for one in _differences(told)]
    return found


def _differences(told: Mapping[str, Any]) -> list[Any]:
    hours = [hour for tenant in told["tenants"] for hour in tenant["hours"]]
    return [one for hour in hours for one in hour["difference"]] or ["it does not say"]


def _disagreements(evidence: Evidence, totals: Mapping[str, Any]) -> Iterator[str]:
    """Totals that add up, and yet are others than those of PBX and API."""
    stored = len(taken_uids(evidence.tries) | set(evidence.stored))
    if totals["accepted"] != stored:
        yield f"balance: {totals['accepted']} accepted, where {stored} are stored"
    for hook in evidence.hooks:
        of_hook = [one for one in evidence.told if one.webhook == hook.id]
        delivered = sum(len(one.uids) for one in of_hook if one.state == "delivered")
        for webhook in totals["webhooks"]:
            if webhook["webhook"] == hook.id and webhook["delivered"] != delivered:
                yield (
                    f"balance: {webhook['delivered']} delivered to {hook.path}, where"
                    f" the API tells of {delivered}"
                )
