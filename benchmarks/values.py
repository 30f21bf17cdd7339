"""Rows, their goals, and what was measured."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.stage import Stage


# Exit statuses of `benchmarks.one`, beside those that Python has.
NOT_VERIFIED: Final = 3
NOT_INSTALLED: Final = 4


class VerificationError(Exception):
    """A record did not arrive, or an attempt was not recorded; says what."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure of a row: what it must reach and what it should.

    `at_most`: the smaller the better. None: nothing is asked, it is told beside.
    """

    name: str
    unit: str = ""
    must: float | None = None
    aim: float | None = None
    at_most: bool = False

    def reached(self, value: float) -> bool | None:
        """Whether the value is what it must be; None where nothing is asked."""
        if self.must is None:
            return None
        return value <= self.must if self.at_most else value >= self.must


@dataclass(slots=True)
class Measured:
    """What a row measured.

    `rounds`: one mapping of figures a round. `figures`: goal name -> value over all
    rounds. `notes`: what a reader should know. `checks`: what was verified. `series`:
    lines to be drawn, name -> points (x, y); `axes`: what x and y are, with their units.
    """

    rounds: list[dict[str, float]] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)
    series: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    axes: tuple[str, str] = ("", "")

    def add(self, **figures: float) -> None:
        """Takes a round's figures down, and prints them."""
        self.rounds.append(figures)
        told = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
        print(f"  round {len(self.rounds)}: {told}", flush=True)

    def median_of(self, name: str) -> float:
        """Over the rounds that have it."""
        return median(one[name] for one in self.rounds if name in one)

    def worst_of(self, name: str, *, at_most: bool = False) -> float:
        """Over the rounds that have it."""
        values = [one[name] for one in self.rounds if name in one]
        return max(values) if at_most else min(values)

    def check(self, holds: object, what: str) -> None:
        """Notes what was verified. Raises VerificationError."""
        if not holds:
            raise VerificationError(what)
        if what not in self.checks:
            self.checks.append(what)


@dataclass(frozen=True, slots=True)
class Row:
    """`run(stage, quick)` measures; `seconds` is about how long it takes in full.

    `sqlite`: the stage's database is SQLite instead of PostgreSQL. `postgres`: options
    that PostgreSQL gets beside those that it has for every row.
    """

    name: str
    title: str
    goals: tuple[Goal, ...]
    run: Callable[[Stage, bool], Measured]
    seconds: int
    sqlite: bool = False
    postgres: tuple[str, ...] = ()

    def result(self, measured: Measured, took: float) -> dict[str, Any]:
        """As it is kept in JSON."""
        return {
            "name": self.name,
            "title": self.title,
            "seconds": round(took, 1),
            "goals": [asdict(goal) for goal in self.goals],
            **asdict(measured),
            "reached": {
                goal.name: goal.reached(measured.figures[goal.name])
                for goal in self.goals
                if goal.name in measured.figures
            },
        }
