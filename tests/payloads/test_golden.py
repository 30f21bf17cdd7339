"""Every style, method and format, held to the exact bytes kept in golden/.

A file is named after the style, what is carried, and the kind of encoding: a GET is
form data whatever the format says.
"""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from dispatcher.payloads.registry import STYLES, style
from tests.payloads.records import (
    EMPTY,
    HARD,
    RECORDS,
    RICH,
    WEBEX_OWN,
    WINDOW,
    carried,
    hub_calls,
    hub_summaries,
    subscription,
)

GOLDEN = Path(__file__).parent / "golden"
POST_CALL = {"custom_data": {"hook": "post call"}}
ACCEPTED = {
    "tenant_external_id": "tenant-1",
    "accepted_at": dt.datetime(2024, 5, 29, 8, 40, 1, 2999, tzinfo=dt.UTC),
}
NEPAL = {
    "tenant_zone": "Asia/Kathmandu",
    "recording_url": "https://calls.example/r?a=1&b=ü",
}

ALONE: dict[tuple[str, str], Any] = {
    (name, record): (
        [carried(cdr)],
        POST_CALL if record in {"documented", "hard"} else {},
    )
    for name in ("envelope", "flat")
    for record, cdr in RECORDS.items()
}
SEVERAL: dict[tuple[str, str], Any] = {
    ("batch", "documented"): (hub_calls(), {}),
    ("batch", "summaries"): (hub_summaries(), {}),
    ("batch", "rich"): ([carried(RICH, tenant_zone="America/New_York")], {}),
    ("batch", "empty"): ([carried(EMPTY)], {}),
    ("batch", "hard"): ([carried(HARD, **NEPAL), carried(RICH, **NEPAL)], {}),
    ("feed", "documented"): ([carried(WEBEX_OWN, **ACCEPTED)], {"window": WINDOW}),
    ("feed", "rich"): ([carried(RICH, **ACCEPTED)], {"window": WINDOW}),
    ("feed", "empty"): ([carried(EMPTY)], {}),
    ("feed", "none"): ([], {"window": WINDOW}),
    ("feed", "hard"): ([carried(HARD), carried(WEBEX_OWN), carried(RICH)], {}),
}
DELIVERIES = {**ALONE, **SEVERAL}
CASES = [
    (name, record, method, form)
    for name, record in DELIVERIES
    for method in style(name).methods
    for form in style(name).formats
]


def _kind(method, form):
    return "form" if method == "GET" else form


def _rendered(name, record, method, form):
    carries, settings = DELIVERIES[name, record]
    webhook = subscription(method=method, format=form, **settings)
    return style(name).render(webhook, carries)


@pytest.mark.parametrize(("name", "record", "method", "form"), CASES)
def test_a_request_has_the_kept_bytes(name, record, method, form):
    rendered = _rendered(name, record, method, form)
    kept = GOLDEN / f"{name}-{record}.{_kind(method, form)}"

    assert rendered.body == kept.read_bytes()
    assert rendered.method == method


@pytest.mark.parametrize(("name", "record", "method", "form"), CASES)
def test_the_content_type_follows_method_and_format(name, record, method, form):
    types = {"json": "application/json", "form": "application/x-www-form-urlencoded"}

    rendered = _rendered(name, record, method, form)

    assert rendered.content_type == ("" if method == "GET" else types[form])


def test_every_style_and_record_is_kept_and_nothing_else():
    kept = {path.name for path in GOLDEN.iterdir()}

    assert kept == {
        f"{name}-{record}.{_kind(method, form)}" for name, record, method, form in CASES
    }


@pytest.mark.parametrize("name", STYLES)
def test_every_style_is_held_to_a_rich_an_empty_a_hard_and_a_documented_call(name):
    records = {record for other, record in DELIVERIES if other == name}

    assert records >= {"rich", "empty", "hard", "documented"}
