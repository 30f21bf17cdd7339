"""Results as rows leave them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.values import Goal, Measured, Row

if TYPE_CHECKING:
    from benchmarks.stage import Stage

GOALS = (
    Goal("rate", "deliveries/s"),
    Goal("ratio", "of the bare loop", must=0.55, aim=0.75),
    Goal("wait_ms", must=10.0, at_most=True),
)


def row(name: str = "drain", seconds: int = 60) -> Row:
    """A row that nobody runs."""

    def run(stage: Stage, quick: bool) -> Measured:
        raise AssertionError(f"{name} was run")

    return Row(name, f"What {name} does", GOALS, run, seconds)


def result(name: str = "drain", **figures: float) -> dict[str, Any]:
    """A result of two rounds."""
    measured = Measured(
        rounds=[{"rate": 1234.4, "bare_rate": 2000.0}, {"rate": 1300.0}],
        figures={"rate": 1234.4, "ratio": 0.617, "wait_ms": 12.0, **figures},
        notes=["Nothing else ran."],
        checks=["every attempt is recorded"],
        series={"oldest": [(0.0, 0.1), (1.0, 0.3)]},
        axes=("seconds", "oldest waiting, s"),
    )
    return {
        "measured_at": "2026-11-20T10:00:00+00:00",
        "commit": "0123456789",
        **row(name).result(measured, 61.2),
    }


def document(*rows: dict[str, Any]) -> dict[str, Any]:
    """As results.json has it."""
    return {
        "machine": {"processor": "one of two cores"},
        "quick": False,
        "rows": list(rows or [result()]),
    }
