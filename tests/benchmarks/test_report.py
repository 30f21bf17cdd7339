"""What was measured, told as Markdown and drawn."""

from __future__ import annotations

import json
from xml.etree import ElementTree as Xml

import pytest

from benchmarks import plots, report
from benchmarks.numbers import number
from tests.benchmarks.results import document, result


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0123456, "0.0123"),
        (0.75, "0.75"),
        (1.0, "1"),
        (12.345, "12.3"),
        (160, "160"),
        (159.6, "160"),
        (999.96, "1,000"),
        (1234567.8, "1,234,568"),
        (-2.5, "-2.5"),
        (float("inf"), "inf"),
    ],
)
def test_a_number_has_the_digits_that_count(value, text):
    assert number(value) == text


def test_the_table_holds_each_figure_beside_what_it_must_reach():
    assert report.summary(document()).splitlines() == [
        "| row   | figure                 | measured | must reach | aim  | reached |",
        "| ----- | ---------------------- | -------- | ---------- | ---- | ------- |",
        "| drain | rate deliveries/s      | 1,234    | –          | –    | –       |",
        "| drain | ratio of the bare loop | 0.617    | 0.55       | 0.75 | yes     |",
        "| drain | wait_ms                | 12       | at most 10 | –    | no      |",
    ]


def test_a_figure_that_was_not_measured_is_not_reached():
    without = result()
    del without["figures"]["ratio"]

    line = report.summary(document(without)).splitlines()[3]

    assert line.split()[-2] == "no"
    assert "| – " in line


def test_the_report_names_machine_commit_rounds_checks_and_notes():
    told = report.part(document())

    for text in (
        "* processor: one of two cores",
        "Measured 2026-11-20T10:00:00+00:00 at commit 0123456789, in 61 s.",
        "| rate      | 1,234   | 1,300   |",
        "| bare_rate | 2,000   | –       |",
        "Verified:\n\n* every attempt is recorded",
        "Notes:\n\n* Nothing else ran.",
        "![Each figure beside what it must reach](ratios.svg)",
    ):
        assert text in told


def test_many_rounds_stand_below_each_other():
    many = result()
    many["rounds"] = [{"rate": 1.0, "wait_ms": 2.0}] * 5

    assert "| figure  | rate | wait_ms |" in report.part(document(many))


def test_publishing_replaces_what_stands_between_the_marks():
    page = f"# Page\n\n{report.BEGIN}\n\nNothing yet.\n\n{report.END}\n\n## Next\n"

    once = report.published(page, document())

    assert once.startswith(f"# Page\n\n{report.BEGIN}\n\nMeasured on:")
    assert once.endswith(f"{report.END}\n\n## Next\n")
    assert "](performance/ratios.svg)" in once
    assert report.published(once, document()) == once


def test_publishing_refuses_a_page_without_marks():
    with pytest.raises(ValueError, match="marks"):
        report.published("# Page\n", document())


def test_the_page_shows_the_results_that_are_kept_beside_it():
    kept = report.PUBLISHED / "results.json"
    page = report.PAGE.read_text()

    if kept.exists():
        assert report.published(page, json.loads(kept.read_text())) == page
    else:
        assert f"{report.BEGIN}\n\nNothing yet.\n\n{report.END}" in page


def test_every_plot_is_sound_and_the_same_each_time(tmp_path):
    report.write(document(), tmp_path)
    first = {path.name: path.read_text() for path in tmp_path.iterdir()}
    report.write(document(), tmp_path)

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == first
    assert first.keys() == {
        *("results.json", "results.md"),
        *("ratios.svg", "rates.svg", "drain.svg"),
    }
    for name, text in first.items():
        if name.endswith(".svg"):
            assert Xml.fromstring(text).tag.endswith("svg")  # noqa: S314  our own
            assert len(text) < 40_000


def test_thinning_keeps_the_peaks():
    points = [(float(n), 100.0 if n == 5001 else 1.0) for n in range(10_000)]

    thinned = plots.thinned(points)

    assert len(thinned) <= plots.MOST_POINTS
    assert (5001.0, 100.0) in thinned
