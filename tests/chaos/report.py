"""Tells what the runs gave: `python -m tests.chaos.report [--publish] [--quick]`.

`--publish` writes the table into docs/reliability.md. Runs nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks.report import markdown
from tests.chaos.processes import ROOT
from tests.chaos.registry import FAULTS
from tests.chaos.results import results

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.chaos.values import Result

PAGE: Final = ROOT / "docs" / "reliability.md"
BEGIN: Final = "<!-- what make chaos found; written by tests.chaos.report -->"
END: Final = "<!-- the end of what make chaos found -->"
NOTHING: Final = "–"
NAMES: Final = {"sqlite": "SQLite", "postgres": "PostgreSQL"}
HEADER: Final = (
    *("fault", "database", "times", "accepted", "delivered", "duplicates", "lost"),
    *("seconds to recover (median, max)", "failed runs"),
)


def line(result: Result) -> str:
    """A run in a line, and one more for each problem."""
    recover = ", ".join(f"{seconds:.1f}" for seconds in result.recover) or NOTHING
    told = (
        f"{'ok    ' if result.passed else 'FAILED'} {result.fault:<28}"
        f" accepted {result.accepted}, delivered {result.delivered}, duplicates"
        f" {result.duplicates}, lost {result.lost}, recovered in {recover} s,"
        f" took {result.took:.0f} s"
    )
    problems = [f"       {problem}" for problem in result.problems]
    problems += [f"       {note}" for note in result.notes if "not judged" in note]
    kept = [f"       kept in {result.kept}"] if result.kept else []
    return "\n".join([told, *problems, *kept])


def table(runs: Sequence[Result]) -> str:
    """A line a fault, in the registry's order; figures are sums over its runs."""
    by_what: dict[str, list[Result]] = defaultdict(list)
    for run in runs:
        by_what[FAULTS[run.fault].what].append(run)
    wanted = dict.fromkeys(fault.what for fault in FAULTS.values())
    return markdown(
        [HEADER, *(_row(what, by_what[what]) for what in wanted if by_what[what])]
    )


def _row(what: str, runs: Sequence[Result]) -> tuple[str, ...]:
    recover = [seconds for one in runs for seconds in one.recover]
    lost = sum(one.lost for one in runs)
    failed = sum(not one.passed for one in runs)
    return (
        what,
        _databases(runs),
        str(sum(one.times for one in runs)),
        f"{sum(one.accepted for one in runs):,}",
        f"{sum(one.delivered for one in runs):,}",
        f"{sum(one.duplicates for one in runs):,}",
        f"🔴 {lost:,}" if lost else "0",
        f"{median(recover):.1f}, {max(recover):.1f}" if recover else NOTHING,
        f"🔴 {failed}" if failed else "0",
    )


def _databases(runs: Sequence[Result]) -> str:
    """Where it was made; how often where, if on both."""
    counts: Counter[str] = Counter()
    for one in runs:
        counts[NAMES[one.database]] += one.times
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def summary(runs: Sequence[Result]) -> str:
    """The table, and what stands above it."""
    commits = ", ".join(dict.fromkeys(one.commit for one in runs if one.commit))
    days = sorted(one.at[:10] for one in runs)
    accepted, lost = sum(one.accepted for one in runs), sum(one.lost for one in runs)
    told = (
        f"{len(runs):,} runs, {sum(one.times for one in runs):,} faults, from {days[0]} to {days[-1]} at commit {commits}:"
        f" {accepted:,} calls accepted, {lost:,} lost."
        if runs
        else "Nothing has been run yet."
    )
    return f"{told}\n\n{table(runs)}"


def published(page: str, text: str) -> str:
    """The page with the text between its two marks. Raises ValueError."""
    before, _, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError("the page has no marks to write between")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def main() -> int:
    """Exits with 1 where a run failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.report")
    parser.add_argument("--quick", action="store_true", help="of the quick runs")
    parser.add_argument(
        "--publish", action="store_true", help="writes docs/reliability.md as well"
    )
    arguments = parser.parse_args()
    runs = results(quick=arguments.quick).all()
    told = summary(runs)
    if arguments.publish:
        PAGE.write_text(published(PAGE.read_text(), told))
    print(told)
    return 0 if all(one.passed for one in runs) else 1


if __name__ == "__main__":
    sys.exit(main())
