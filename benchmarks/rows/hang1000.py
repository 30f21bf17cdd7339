"""A thousand webhooks that were quick get calls at once, and hang; fifty are healthy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.isolation import Cast, Scene, play, stream
from benchmarks.values import Goal, Measured, Row

if TYPE_CHECKING:
    from benchmarks.stage import Stage

HEALTHY: Final = 50
HANGING: Final = 1000
CALLS_EACH: Final = 3
ROUNDS: Final = 5
HANG_AT: Final = 2.0
LOAD_SECONDS: Final = 16.0
QUICK_HANGING: Final = 100
QUICK_SECONDS: Final = 4.0


def run(stage: Stage, quick: bool) -> Measured:
    """Five rounds; the figures are those of the worst."""
    measured = Measured()
    hanging = QUICK_HANGING if quick else HANGING
    cast = Cast(["w/"] * HEALTHY + ["switch/"] * hanging, known=True)
    cast.have_waiting(range(HEALTHY, HEALTHY + hanging), CALLS_EACH)
    stage.keep("known")
    load = stream(range(HEALTHY), 0.0, QUICK_SECONDS if quick else LOAD_SECONDS)
    scene = Scene("known", load, HANG_AT, waiting=hanging * CALLS_EACH)
    for _ in range(1 if quick else ROUNDS):
        measured.add(**play(stage, measured, cast, scene))
    measured.figures["on_time"] = measured.worst_of("on_time")
    for name in ("oldest_s", "longest_s"):
        measured.figures[name] = measured.worst_of(name, at_most=True)
    return measured


ROW: Final = Row(
    name="hang1000",
    title="1,000 webhooks start to hang at once, 50 healthy ones at 200 CDR/s",
    goals=(
        Goal("on_time", "received within 1 s", must=0.99, aim=0.999),
        Goal("oldest_s", "s", must=2, aim=0.5, at_most=True),
        Goal("longest_s", "s", at_most=True),
    ),
    run=run,
    seconds=150,
)
