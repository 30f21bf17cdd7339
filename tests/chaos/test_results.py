"""Runs are kept, counted and told; a table stands between the page's marks."""

import json
from dataclasses import replace

import pytest

from tests.chaos import report
from tests.chaos.__main__ import missing
from tests.chaos.registry import FAULTS, QUICK
from tests.chaos.results import Results
from tests.chaos.values import Result

RUN = Result(
    fault="kill-worker",
    database="sqlite",
    commit="abc",
    at="2026-11-23T11:00:00+00:00",
    quick=False,
    took=40.0,
    accepted=1000,
    delivered=3000,
    duplicates=7,
    recover=[31.0],
)


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path / "results.jsonl")


def test_a_run_is_a_line_that_is_read_as_it_was_written(results):
    results.add(RUN)
    results.add(replace(RUN, fault="kill-up"))
    assert results.all() == [RUN, replace(RUN, fault="kill-up")]
    assert len(results.path.read_text().splitlines()) == 2


def test_only_runs_that_a_fault_lacks_are_made(results):
    results.add(RUN)
    wanted = [FAULTS["kill-worker"], FAULTS["kill-up"]]
    lacking = [(fault.name, times) for fault, times in missing(wanted, 7, results)]
    assert lacking == [
        ("kill-worker", 5),
        ("kill-up", 5),
        ("kill-worker", 1),
        ("kill-up", 2),
    ]


def test_what_is_tried_on_both_databases_has_half_of_its_runs_on_each(results):
    wanted = [FAULTS["kill-worker"], FAULTS["kill-worker-postgres"]]
    lacking = [(fault.name, times) for fault, times in missing(wanted, 3, results)]
    assert lacking == [("kill-worker", 2), ("kill-worker-postgres", 2)]


def test_the_table_has_a_line_for_what_is_tried_on_both_databases():
    told = report.table(
        [RUN, replace(RUN, fault="kill-worker-postgres", database="postgres")]
    )
    cells = [cell.strip() for cell in told.splitlines()[-1].split("|")[1:-1]]
    assert cells[1:4] == ["1 PostgreSQL, 1 SQLite", "2", "2,000"]


def test_what_is_forgotten_is_made_again_and_the_rest_stays(results):
    results.add(RUN)
    results.add(replace(RUN, fault="kill-up"))
    results.forget({"kill-worker"})
    assert (results.times("kill-worker"), results.times("kill-up")) == (0, 1)


def test_the_table_sums_the_runs_of_a_fault():
    told = report.table([RUN, replace(RUN, recover=[35.0])])
    cells = [cell.strip() for cell in told.splitlines()[-1].split("|")[1:-1]]
    assert cells[1:] == ["SQLite", "2", "2,000", "6,000", "14", "0", "33.0, 35.0", "0"]


def test_what_was_lost_is_red_and_no_run_of_it_has_passed():
    lost = replace(RUN, lost=2, problems=["lost: a at /fast"])
    assert "🔴 2" in report.table([lost])
    assert not lost.passed
    assert "lost: a at /fast" in report.line(lost)


def test_a_problem_alone_fails_a_run_too():
    assert not replace(RUN, problems=["changed body: 1"]).passed


def test_the_table_stands_between_the_marks_of_the_page():
    page = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"
    told = report.published(page, report.summary([RUN]))
    assert told.startswith("before\n")
    assert told.endswith("\nafter\n")
    assert "old" not in told
    assert "1,000 calls accepted, 0 lost" in told


def test_the_page_has_the_marks():
    assert report.published(report.PAGE.read_text(), "the table")


def test_a_run_goes_through_json():
    assert Result(**json.loads(json.dumps(RUN.line()))) == RUN


def test_quick_runs_are_of_faults_that_there_are():
    assert set(QUICK) <= set(FAULTS)
