"""How fast a run recovered, and how late calls were. Pure."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.chaos.evidence import TAKEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.chaos.evidence import Arrival, Evidence, Hook

SLOWER: Final = 3.0


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds: `recover`, for each time that the fault was made, from its end until what
    was accepted before that was there; sorted, `delays` from 202 to arrival, over all
    calls at webhooks that are prompt, and `answers` of the PBX's posts; `*_before`: those
    from before the first fault began.
    """

    recover: Sequence[float]
    delays: Sequence[float]
    answers: Sequence[float]
    delays_before: Sequence[float]
    answers_before: Sequence[float]


def quantile(share: float, values: Sequence[float]) -> float | None:
    """Which that share of sorted values does not exceed; None where there are none."""
    return values[min(len(values) - 1, int(len(values) * share))] if values else None


def held_up(
    limit: float | None, values: Sequence[float], before: Sequence[float]
) -> float | None:
    """Which 95 % of the values did not exceed, where that is too long; else None.

    Beyond the limit, and beyond SLOWER times what it was before: a machine that is slow
    for other reasons was so before.
    """
    took = quantile(0.95, values)
    if limit is None or took is None:
        return None
    usual = quantile(0.95, before) or 0.0
    return took if took > max(limit, SLOWER * usual) else None


@dataclass(frozen=True, slots=True)
class Strike:
    """A time that the fault was made, in seconds since the epoch. `idle`: the share of
    the machine that was to be had meanwhile.
    """

    began: float
    ended: float
    idle: float = 1.0


def times(evidence: Evidence, strikes: Sequence[Strike]) -> Times:
    """Over the webhooks that are prompt."""
    struck_at = strikes[0].began
    taken = {
        uid: one.ended
        for one in sorted(evidence.tries, key=lambda one: -one.ended)
        if one.status == TAKEN
        for uid in one.uids
    }
    hooks = [hook for hook in evidence.hooks if hook.prompt]
    ends = [strike.ended for strike in strikes]
    recover = [0.0] * len(strikes)
    delays: list[tuple[float, float]] = []
    for hook in hooks:
        arrived = _first_arrivals(hook, evidence.arrivals)
        for uid, at in arrived.items():
            if uid in taken:
                delays.append((taken[uid], max(0.0, at - taken[uid])))
                if (number := bisect_left(ends, taken[uid])) < len(ends):
                    recover[number] = max(recover[number], at - ends[number])
    return Times(
        recover=recover if delays else [],
        delays=sorted(took for _, took in delays),
        answers=sorted(one.ended - one.sent for one in evidence.tries),
        # What was taken just before is on its way when the fault begins.
        delays_before=sorted(took for at, took in delays if at + took < struck_at),
        answers_before=sorted(
            one.ended - one.sent for one in evidence.tries if one.ended < struck_at
        ),
    )


def _first_arrivals(hook: Hook, arrivals: Iterable[Arrival]) -> dict[str, float]:
    found: dict[str, float] = {}
    for one in arrivals:
        if one.path == hook.path and one.was_taken:
            for uid in one.uids:
                found.setdefault(uid, one.at)
    return found
