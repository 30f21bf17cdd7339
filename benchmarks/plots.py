"""Draws results as SVG: small, the same each time, readable on light and on dark pages.

A drawing has a ground of its own and follows the reader's choice of light or dark. Reads
results as `report` keeps them; measures nothing.
"""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape

from benchmarks.numbers import number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

WIDTH: Final = 820
LINE: Final = 22
LEFT: Final = 290
RIGHT: Final = 690
# Rates of others than cdrhook begin so.
RIVALS: Final = ("bare", "copy", "task", "celery", "django")
NAMES: Final = {
    "": "cdrhook",
    "bare": "bare loop",
    "copy": "COPY",
    "copy by request": "COPY, a commit a request",
    "django webhook": "django-webhook",
    "task": "one task a delivery",
}
# Of what rates are that are told apart by the rest of their unit, or by their name.
KNOWN: Final = ("", "deliveries", "requests", "records")
# How many times as good as it must be the first plot shows, at least and at most.
TIMES: Final = {
    1 / 4: "¼",
    1 / 2: "½",
    1: "must",
    2: "2 ×",
    4: "4 ×",
    8: "8 ×",
    16: "16 ×",
}
# What must be at least so much, and is below 1, is a share of all.
SHARE: Final = 0.95
MOST_POINTS: Final = 240

_STYLE: Final = """
text { font: 12px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328 }
.title { font-size: 14px; font-weight: 600 }
.faint { fill: #59636e }
.ground { fill: #ffffff }
.grid { stroke: #d1d9e0 }
.axis { stroke: #1f2328; stroke-width: 1.5 }
.good { fill: #2a78d6 }
.bad { fill: #d9480f }
.other { fill: #8a94a0 }
.aim { fill: none; stroke: #1f2328; stroke-width: 1.5 }
.dot { fill: #ffffff; stroke: #1f2328 }
polyline { fill: none; stroke-width: 1.8 }
.s0 { stroke: #2a78d6; fill: #2a78d6 }
.s1 { stroke: #d9480f; fill: #d9480f }
.s2 { stroke: #2b8a3e; fill: #2b8a3e }
.s3 { stroke: #9c36b5; fill: #9c36b5 }
.s4 { stroke: #8a94a0; fill: #8a94a0 }
.s5 { stroke: #0b7285; fill: #0b7285 }
polyline { fill: none !important }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc }
.faint { fill: #9198a1 }
.ground { fill: #0d1117 }
.grid { stroke: #3d444d }
.axis, .aim, .dot { stroke: #f0f6fc }
.dot { fill: #0d1117 }
.good { fill: #4493f8 }
.bad { fill: #f0883e }
.other { fill: #6e7681 }
.s0 { stroke: #4493f8; fill: #4493f8 }
.s1 { stroke: #f0883e; fill: #f0883e }
.s2 { stroke: #3fb950; fill: #3fb950 }
.s3 { stroke: #be8fff; fill: #be8fff }
.s5 { stroke: #39c5cf; fill: #39c5cf }
}
"""
COLOURS: Final = 6


class Drawing:
    """Collects shapes; `svg(height)` gives the whole."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._shapes: list[str] = []
        self.text(16, 24, title, "title")

    def text(
        self, x: float, y: float, text: str, kind: str = "", anchor: str = "start"
    ) -> None:
        """`anchor`: which end of the text is at x: start, middle or end."""
        self._shapes.append(
            f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">'
            f"{escape(text)}</text>"
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        """From one point to the other."""
        self._shapes.append(
            f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" class="{kind}"/>'
        )

    def bar(self, x1: float, x2: float, y: float, kind: str) -> None:
        """A horizontal one, between the two, in the middle of the line at y."""
        left, width = min(x1, x2), abs(x2 - x1)
        self._shapes.append(
            f'<rect x="{left:.1f}" y="{y - 6:.1f}" width="{width:.1f}" height="12"'
            f' rx="2" class="{kind}"/>'
        )

    def dot(self, x: float, y: float, kind: str = "dot", radius: float = 3) -> None:
        """A circle."""
        self._shapes.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" class="{kind}"/>'
        )

    def diamond(self, x: float, y: float, kind: str) -> None:
        """A mark."""
        self._shapes.append(
            f'<path d="M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6z" class="{kind}"/>'
        )

    def curve(self, points: Iterable[tuple[float, float]], kind: str) -> None:
        """Through all points."""
        through = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._shapes.append(f'<polyline points="{through}" class="{kind}"/>')

    def svg(self, height: float) -> str:
        """The drawing as a file's text."""
        size = f"{WIDTH} {height:.0f}"
        return "\n".join(
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}"'
                f' width="{WIDTH}" role="img" aria-label="{escape(self._title)}">',
                f"<style>{_STYLE}</style>",
                f'<rect class="ground" width="{WIDTH}" height="{height:.0f}" rx="6"/>',
                *self._shapes,
                "</svg>\n",
            )
        )


# Figures beside what they must be ----------------------------------------------------------


def times_as_good(goal: dict[str, Any], value: float) -> float:
    """How many times as good as it must be: 2 is half of what may be at most.

    Of shares, what lacks to the whole is compared: 99.5 % is twice as good as 99 %.
    """
    must, at_most = goal["must"], goal["at_most"]
    if not at_most and SHARE <= must < 1:
        must, value, at_most = 1 - must, 1 - value, True
    better, worse = (must, value) if at_most else (value, must)
    if better <= 0 or worse <= 0:
        return math.inf if worse <= 0 else 0.0
    return float(better / worse)


def ratios(rows: Sequence[dict[str, Any]]) -> str:
    """Each figure that must reach something, beside it and beside what is aimed at."""
    drawing = Drawing("How far each figure is from what it must reach")
    shown = [
        (row, goal)
        for row in rows
        for goal in row["goals"]
        if goal["must"] is not None and goal["name"] in row["figures"]
    ]
    top, bottom = 62.0, 62.0 + LINE * len(shown)
    for tick, told in TIMES.items():
        x = _beside(tick)
        drawing.line(x, top - 8, x, bottom - 8, "axis" if tick == 1 else "grid")
        drawing.text(x, top - 14, told, "" if tick == 1 else "faint", "middle")
    for index, (row, goal) in enumerate(shown):
        y = top + LINE * index + LINE / 2 - 8
        value = row["figures"][goal["name"]]
        reached = row["reached"][goal["name"]]
        drawing.text(
            LEFT - 12, y + 4, f"{row['name']}: {_words(goal['name'])}", "", "end"
        )
        drawing.bar(
            _beside(1),
            _beside(times_as_good(goal, value)),
            y,
            "good" if reached else "bad",
        )
        if goal["aim"] is not None:
            drawing.diamond(_beside(times_as_good(goal, goal["aim"])), y, "aim")
        sign = "≤" if goal["at_most"] else "≥"
        told = f"{number(value)}  ({sign} {number(goal['must'])})"
        drawing.text(RIGHT + 18, y + 4, told)
    drawing.text(
        LEFT,
        bottom + 14,
        "better to the right, times as good as it must be; ◇ aim; orange: not reached",
        "faint",
    )
    return drawing.svg(bottom + 28)


def _beside(times: float) -> float:
    """Where the first plot shows a figure that is so many times as good."""
    least, most = min(TIMES), max(TIMES)
    part = math.log(min(max(times, least), most) / least) / math.log(most / least)
    return LEFT + (RIGHT - LEFT) * part


def _words(name: str) -> str:
    return name.replace("_", " ")


# Rates, round by round ---------------------------------------------------------------------


def rates(rows: Sequence[dict[str, Any]]) -> str:
    """cdrhook's rates and those of what was run beside it: medians, and every round."""
    drawing = Drawing("Rates a second: the median, and each round")
    y = 34.0
    for row in rows:
        measured = _rates_of(row)
        if len(measured) < 2:
            continue
        y += LINE
        drawing.text(16, y + 4, row["title"], "faint")
        widest = max(max(values) for values in measured.values())
        units = {goal["name"]: goal["unit"] for goal in row["goals"]}
        for name, values in measured.items():
            y += LINE
            drawing.text(LEFT - 12, y + 4, _who(name, units.get(name, "")), "", "end")
            kind = "other" if name.startswith(RIVALS) else "good"
            _rate(drawing, y, values, widest, kind)
        y += LINE / 2
    return drawing.svg(y + LINE)


def _rates_of(row: dict[str, Any]) -> dict[str, list[float]]:
    """Name -> a value a round, of what is called a rate."""
    found: dict[str, list[float]] = {}
    for one in row["rounds"]:
        for name, value in one.items():
            if "rate" in name.split("_") and not name.endswith("ratio"):
                found.setdefault(name, []).append(value)
    return found


def _who(name: str, unit: str) -> str:
    """What a rate is of: as its unit tells ("deliveries/s with one"), or its name."""
    what, _, told = unit.partition("/s")
    told = told.strip(" ,") if what in KNOWN else unit
    words = " ".join(word for word in name.split("_") if word != "rate")
    return told or NAMES.get(words, words)


def _rate(
    drawing: Drawing, y: float, values: Sequence[float], widest: float, kind: str
) -> None:
    def at(value: float) -> float:
        return LEFT + (RIGHT - LEFT) * value / widest if widest else LEFT

    drawing.bar(LEFT, at(median(values)), y, kind)
    for value in values:
        drawing.dot(at(value), y)
    drawing.text(RIGHT + 18, y + 4, number(median(values)))


# Lines -------------------------------------------------------------------------------------


def lines(row: dict[str, Any]) -> str:
    """A row's series over each other."""
    drawing = Drawing(row["title"])
    series = {name: thinned(points) for name, points in row["series"].items() if points}
    left, right, top, bottom = 70.0, WIDTH - 30.0, 60.0, 290.0
    xs = [x for points in series.values() for x, _ in points] or [0.0]
    ys = [y for points in series.values() for _, y in points] or [0.0]
    low, high = min(xs), max(max(xs), min(xs) + 1e-9)
    ticks = _ticks(max(*ys, 1e-9))

    def at(x: float, y: float) -> tuple[float, float]:
        return (
            left + (right - left) * (x - low) / (high - low),
            bottom - (bottom - top) * y / ticks[-1],
        )

    for tick in ticks:
        y = at(low, tick)[1]
        drawing.line(left, y, right, y, "grid")
        drawing.text(left - 8, y + 4, number(tick), "faint", "end")
    for tick in _between(low, high):
        drawing.text(at(tick, 0)[0], bottom + 18, number(tick), "faint", "middle")
    across, up = row["axes"]
    drawing.text(right, bottom + 38, across, "faint", "end")
    drawing.text(16, top - 14, up, "faint")
    for index, (name, points) in enumerate(series.items()):
        kind = f"s{index % COLOURS}"
        drawing.curve((at(x, y) for x, y in points), kind)
        y = bottom + 40 + 18 * index
        drawing.dot(left + 4, y - 4, kind, 4)
        drawing.text(left + 16, y, name)
    return drawing.svg(bottom + 40 + 18 * len(series) + 6)


def thinned(points: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    """At most MOST_POINTS of them: of neighbours the highest, so that no peak is lost."""
    size = math.ceil(len(points) / MOST_POINTS) or 1
    groups = (points[start : start + size] for start in range(0, len(points), size))
    kept = (max(group, key=lambda point: point[1]) for group in groups)
    return [(x, y) for x, y in kept]


def _ticks(highest: float) -> list[float]:
    """Round values from 0 to the first that is not below the highest."""
    step = _round_step(highest / 4)
    count = math.ceil(highest / step - 1e-9)
    return [step * n for n in range(count + 1)]


def _between(low: float, high: float) -> list[float]:
    """Round values from the lowest to the highest."""
    step = _round_step((high - low) / 8)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [step * n for n in range(first, last + 1)]


def _round_step(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    steps = [power * factor for factor in (1, 2, 2.5, 5, 10)]
    return next(step for step in steps if step >= least - 1e-12)


def all_of(rows: Sequence[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """(file name, what it shows, SVG) of each plot that there is something for."""
    yield "ratios.svg", "Each figure beside what it must reach", ratios(rows)
    if any(len(_rates_of(row)) > 1 for row in rows):
        yield "rates.svg", "Rates a second, each round", rates(rows)
    for row in rows:
        if any(row["series"].values()):
            yield f"{row['name']}.svg", row["title"], lines(row)
