"""Faults, and what a run of one gave."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.chaos.scene import Scene

Database = Literal["sqlite", "postgres"]

# Exit statuses of `tests.chaos.one`.
FAILED: Final = 1
CANNOT_RUN: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`strike(scene)` does it, and returns when it is over and all is given back.

    `what`: as the table says it. `parts`: each process by itself, instead of
    `cdrhook up`. `broker`: "own" is the one that `cdrhook up` starts, "apart" one that
    the fault may stop. `bad_receiver`: there is a webhook at scene.BAD, too. `arrange(scene)`: what has to be there before cdrhook starts.
    `times`: how often it can be made in one run, one time after another.
    `hurries`: seconds within which 95 % of the calls must arrive at webhooks that are
    well, all the while (see timing.held_up); None where the fault itself holds them up.
    `answers`: likewise of the PBX's posts. `patience`: seconds
    until all must be out after the load. `seconds`: about how long a run takes.
    """

    name: str
    what: str
    strike: Callable[[Scene], None]
    database: Database = "sqlite"
    parts: bool = False
    bad_receiver: bool = False
    broker: Literal["own", "apart"] = "own"
    arrange: Callable[[Scene], None] | None = None
    hurries: float | None = None
    answers: float | None = None
    patience: float = 90.0
    seconds: int = 40
    times: int = 5
    settings: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A line of results.jsonl. `times`: how often the fault was made. `recover`: for
    each time, seconds from its end until the backlog was out; `delay_*` from a 202 to the
    arrival, `answer_*` of a post. `idle`: the least share of the machine that nobody used
    during the fault. `answers`: how often the PBX was answered what.
    `phases`: what had come to its end, in seconds since the run began. `kept`: the folder of a run that failed."""

    fault: str
    database: str
    commit: str
    at: str
    quick: bool
    took: float
    accepted: int = 0
    delivered: int = 0
    duplicates: int = 0
    lost: int = 0
    crashes: int = 0
    times: int = 1
    recover: list[float] = field(default_factory=list)
    delay_p50: float | None = None
    delay_p95: float | None = None
    answer_p95: float | None = None
    idle: float | None = None
    answers: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    phases: dict[str, float] = field(default_factory=dict)
    kept: str = ""

    @property
    def passed(self) -> bool:
        """Nothing was lost, and nothing else was wrong."""
        return not self.lost and not self.problems

    def line(self) -> dict[str, Any]:
        """As it is kept in JSON."""
        return asdict(self)
