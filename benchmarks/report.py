"""Writes down what was measured: `python -m benchmarks.report [--publish] [--quick]`.

JSON with everything, and Markdown with a table, plots, rounds and what was verified.
`--publish` puts them into docs/performance.md. Measures nothing.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any, Final

from benchmarks import plots
from benchmarks.machine import ROOT, machine
from benchmarks.numbers import number
from benchmarks.registry import ROWS
from benchmarks.running import Results
from benchmarks.values import Goal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

WORK: Final = ROOT / "var" / "bench"
DEBIAN: Final = WORK / "debian"
PAGE: Final = ROOT / "docs" / "performance.md"
PUBLISHED: Final = ROOT / "docs" / "performance"
BEGIN: Final = "<!-- what make bench measured; written by benchmarks.report -->"
END: Final = "<!-- the end of what make bench measured -->"
NOTHING: Final = "–"

Document = dict[str, Any]
"""{"machine": {what: text}, "quick": bool, "rows": [results, as Row.result has them]}"""


def folder(*, quick: bool) -> Path:
    """Where results are kept."""
    return WORK / ("quick" if quick else "full")


def document(rows: Sequence[dict[str, Any]], *, quick: bool) -> Document:
    """Results with the machine that they were measured on; series are thinned."""
    thinned = [
        {
            **row,
            "series": {
                name: plots.thinned(points) for name, points in row["series"].items()
            },
        }
        for row in rows
    ]
    return {"machine": machine(DEBIAN), "quick": quick, "rows": thinned}


# Markdown ----------------------------------------------------------------------------------


def markdown(lines: Iterable[Sequence[str]]) -> str:
    """A table that is readable as text too; the first line is the header."""
    cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    cells.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in cells
    )


def summary(document: Document) -> str:
    """The table of all figures."""
    header = ("row", "figure", "measured", "must reach", "aim", "reached")
    return markdown([header, *_figures(document["rows"])])


def _figures(rows: Iterable[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    for row in rows:
        for goal in row["goals"]:
            value = row["figures"].get(goal["name"])
            yield (
                row["name"],
                " ".join(filter(None, (goal["name"], goal["unit"]))),
                NOTHING if value is None else number(value),
                _asked(goal, "must"),
                _asked(goal, "aim"),
                _judged(goal, value),
            )


def _asked(goal: dict[str, Any], which: str) -> str:
    if goal[which] is None:
        return NOTHING
    return ("at most " if goal["at_most"] else "") + number(goal[which])


def _judged(goal: dict[str, Any], value: float | None) -> str:
    """Of a figure that something is asked of, and that was not measured: no."""
    if goal["must"] is None:
        return NOTHING
    return "yes" if value is not None and Goal(**goal).reached(value) else "no"


def part(document: Document, plots_at: str = "") -> str:
    """All that was measured, as Markdown; `plots_at`: the plots' folder, with a slash."""
    told = [
        *(["**A quick run: it shows no speed.**"] if document["quick"] else []),
        "Measured on:",
        "\n".join(f"* {what}: {text}" for what, text in document["machine"].items()),
        summary(document),
        *(f"![{what}]({plots_at}{name})" for name, what, _ in _plots(document)),
        *(_details(row) for row in document["rows"]),
    ]
    return "\n\n".join(told)


def _plots(document: Document) -> Iterator[tuple[str, str, str]]:
    return plots.all_of(document["rows"])


def _details(row: dict[str, Any]) -> str:
    where = f" at commit {row['commit']}" if row["commit"] else ""
    told = [
        f"### {row['name']}",
        f"{row['title']}. Measured {row['measured_at']}{where},"
        f" in {row['seconds']:.0f} s.",
        _rounds(row["rounds"]),
        _listed("Verified:", row["checks"]),
        _listed("Notes:", row["notes"]),
    ]
    return "\n\n".join(filter(None, told))


def _rounds(rounds: Sequence[dict[str, float]]) -> str:
    """A line a figure and a column a round; the other way round if that is narrower."""
    names = list(dict.fromkeys(name for one in rounds for name in one))
    if not names:
        return ""
    lines = [("figure", *(f"round {n}" for n in range(1, len(rounds) + 1)))]
    lines += [
        (name, *(number(one[name]) if name in one else NOTHING for one in rounds))
        for name in names
    ]
    return markdown(zip(*lines, strict=True) if len(rounds) > len(names) else lines)


def _listed(heading: str, texts: Sequence[str]) -> str:
    return "\n".join((heading, "", *(f"* {text}" for text in texts))) if texts else ""


# Files -------------------------------------------------------------------------------------


def write(document: Document, into: Path) -> None:
    """results.json, results.md and the plots."""
    write_data(document, into)
    (into / "results.md").write_text(f"# What was measured\n\n{part(document)}\n")


def write_data(document: Document, into: Path) -> None:
    """results.json and the plots; plots of other rows go."""
    into.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, indent=1, ensure_ascii=False)
    (into / "results.json").write_text(text + "\n")
    for old in into.glob("*.svg"):
        old.unlink()
    for name, _, svg in _plots(document):
        (into / name).write_text(svg)


def published(page: str, document: Document) -> str:
    """The page with what was measured between its two marks. Raises ValueError."""
    before, _, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError("the page has no marks to write between")
    return f"{before}{BEGIN}\n\n{part(document, 'performance/')}\n\n{END}{after}"


def main() -> None:
    """Writes the report anew from the results that there are."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument(
        "--publish", action="store_true", help="writes docs/performance.md as well"
    )
    arguments = parser.parse_args()
    kept = folder(quick=arguments.quick)
    told = document(Results(kept).all(list(ROWS)), quick=arguments.quick)
    write(told, kept)
    if arguments.publish:
        write_data(told, PUBLISHED)
        PAGE.write_text(published(PAGE.read_text(), told))
    print(summary(told))


if __name__ == "__main__":
    main()
