"""How fast a run recovered, and how late calls were. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.chaos.evidence import TAKEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.chaos.evidence import Arrival, Evidence, Hook


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds: `recover` and `first` from the fault's end; sorted, `delays` from 202 to
    arrival, over all calls at webhooks that are prompt, and `answers` of the PBX's posts.
    """

    recover: float | None
    first: float | None
    delays: Sequence[float]
    answers: Sequence[float]

    def delay(self, share: float) -> float | None:
        """Which that share of the calls did not exceed."""
        return _at(share, self.delays)

    def answer(self, share: float) -> float | None:
        """Which that share of the posts did not exceed."""
        return _at(share, self.answers)


def _at(share: float, values: Sequence[float]) -> float | None:
    return values[min(len(values) - 1, int(len(values) * share))] if values else None


def times(evidence: Evidence, over_at: float) -> Times:
    """Over the webhooks that are prompt."""
    taken = {
        uid: one.ended
        for one in sorted(evidence.tries, key=lambda one: -one.ended)
        if one.status == TAKEN
        for uid in one.uids
    }
    hooks = [hook for hook in evidence.hooks if hook.prompt]
    recover, firsts, delays = 0.0, [], []
    for hook in hooks:
        arrived = _first_arrivals(hook, evidence.arrivals)
        firsts += [at for at in arrived.values() if at >= over_at]
        for uid, at in arrived.items():
            if uid in taken:
                delays.append(max(0.0, at - taken[uid]))
                if taken[uid] <= over_at:
                    recover = max(recover, at - over_at)
    return Times(
        recover=recover if delays else None,
        first=min(firsts) - over_at if firsts else None,
        delays=sorted(delays),
        answers=sorted(one.ended - one.sent for one in evidence.tries),
    )


def _first_arrivals(hook: Hook, arrivals: Iterable[Arrival]) -> dict[str, float]:
    found: dict[str, float] = {}
    for one in arrivals:
        if one.path == hook.path and one.was_taken:
            for uid in one.uids:
                found.setdefault(uid, one.at)
    return found
