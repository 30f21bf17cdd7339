"""What is kept of runs: var/chaos/results.jsonl, a line a run. Judges nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.chaos.processes import ROOT
from tests.chaos.values import Result

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

FOLDER: Final = ROOT / "var" / "chaos"


@dataclass(frozen=True, slots=True)
class Results:
    """The file of one kind of runs, full or quick."""

    path: Path

    def all(self) -> list[Result]:
        """In the order in which they ended."""
        if not self.path.exists():
            return []
        lines = self.path.read_text().splitlines()
        return [Result(**json.loads(line)) for line in lines if line]

    def add(self, result: Result) -> None:
        """Adds a line."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as lines:
            lines.write(json.dumps(result.line(), ensure_ascii=False) + "\n")

    def forget(self, faults: Collection[str]) -> None:
        """Removes the runs of these faults."""
        kept = [one for one in self.all() if one.fault not in faults]
        self.path.unlink(missing_ok=True)
        for one in kept:
            self.add(one)

    def times(self, fault: str) -> int:
        """How often a fault was made."""
        return sum(one.times for one in self.all() if one.fault == fault)


def results(*, quick: bool) -> Results:
    """Those of full runs, or of quick ones."""
    return Results(FOLDER / ("quick.jsonl" if quick else "results.jsonl"))
