"""A hundred webhooks, of which some hang: whether the others notice.

Cold: workers and webhooks of which nothing is known, under load from the first second.
Warm: all have been quick for long, and begin to hang while calls come in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.isolation import Cast, Scene, play, stream
from benchmarks.values import Goal, Measured, Row

if TYPE_CHECKING:
    from benchmarks.stage import Stage

WEBHOOKS: Final = 100
ROUNDS: Final = 5
LOAD_SECONDS: Final = 18.0
QUICK_SECONDS: Final = 2.0
# Of the load, until what is warm begins to hang.
WARM_SHARE: Final = 0.2
SHARES: Final = {10: 10, 50: 2}  # percent: every n-th webhook


def run(stage: Stage, quick: bool) -> Measured:
    """Every combination five times; the figures are those of the worst round."""
    measured = Measured()
    seconds = QUICK_SECONDS if quick else LOAD_SECONDS
    combinations = [(percent, warm) for percent in SHARES for warm in (False, True)]
    if quick:
        combinations = combinations[-1:]
    for percent, warm in combinations:
        name = f"{'warm' if warm else 'cold'}_{percent}"
        cast = _cast(stage, name, percent, warm=warm)
        scene = Scene(
            name,
            stream(range(WEBHOOKS), 0.0, seconds),
            hang_at=seconds * WARM_SHARE if warm else None,
        )
        for _ in range(1 if quick else ROUNDS):
            figures = play(stage, measured, cast, scene)
            measured.add(**{f"{name}_{key}": value for key, value in figures.items()})
        measured.figures[f"{name}_on_time"] = measured.worst_of(f"{name}_on_time")
        for key in ("oldest_s", "longest_s"):
            measured.figures[f"{name}_{key}"] = measured.worst_of(
                f"{name}_{key}", at_most=True
            )
    return measured


def _cast(stage: Stage, name: str, percent: int, *, warm: bool) -> Cast:
    hangs = "switch/" if warm else "hang/"
    stage.sql("TRUNCATE dispatcher_tenant CASCADE")
    cast = Cast(
        [hangs if index % SHARES[percent] == 0 else "w/" for index in range(WEBHOOKS)],
        known=warm,
    )
    stage.keep(name)
    return cast


ROW: Final = Row(
    name="fairness",
    title="100 webhooks, 200 CDR/s, each matching one; 10 %, then 50 %, hang",
    goals=tuple(
        goal
        for name in ("cold_10", "warm_10", "cold_50", "warm_50")
        for goal in (
            Goal(f"{name}_on_time", "received within 1 s", must=0.99, aim=0.999),
            Goal(f"{name}_oldest_s", "s", must=2, aim=0.5, at_most=True),
            Goal(f"{name}_longest_s", "s", at_most=True),
        )
    ),
    run=run,
    seconds=520,
)
