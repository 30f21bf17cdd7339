"""Every style, method and format, held to the exact bytes kept in golden/."""

from pathlib import Path

import pytest

from dispatcher.payloads.registry import style
from tests.payloads.records import RECORDS, carried, subscription

GOLDEN = Path(__file__).parent / "golden"
CUSTOM_DATA = {"documented": {"hook": "post call"}, "hard": {"hook": "post call"}}
CASES = sorted(tuple(path.stem.split("-")) for path in GOLDEN.glob("*.json"))


def _rendered(name, record, method, form):
    webhook = subscription(
        method=method, format=form, custom_data=CUSTOM_DATA.get(record, {})
    )
    return style(name).render(webhook, [carried(RECORDS[record])])


@pytest.mark.parametrize("form", ["json", "form"])
@pytest.mark.parametrize(("name", "record"), CASES)
def test_a_post_has_the_kept_bytes(name, record, form):
    rendered = _rendered(name, record, "POST", form)

    assert rendered.body == (GOLDEN / f"{name}-{record}.{form}").read_bytes()
    assert rendered.method == "POST"


@pytest.mark.parametrize("form", ["json", "form"])
@pytest.mark.parametrize("record", RECORDS)
def test_an_envelope_put_has_the_bytes_of_the_post(record, form):
    rendered = _rendered("envelope", record, "PUT", form)

    assert rendered.body == _rendered("envelope", record, "POST", form).body
    assert rendered.method == "PUT"


@pytest.mark.parametrize("form", ["json", "form"])
@pytest.mark.parametrize("record", RECORDS)
def test_an_envelope_get_is_form_data_whatever_the_format(record, form):
    rendered = _rendered("envelope", record, "GET", form)

    assert rendered.body == (GOLDEN / f"envelope-{record}.form").read_bytes()
    assert rendered.content_type == ""


@pytest.mark.parametrize(
    ("form", "content_type"),
    [("json", "application/json"), ("form", "application/x-www-form-urlencoded")],
)
@pytest.mark.parametrize("name", ["envelope", "flat"])
def test_the_content_type_follows_the_format(name, form, content_type):
    assert _rendered(name, "rich", "POST", form).content_type == content_type


def test_every_style_and_record_is_kept():
    kept = {(name, record) for name, record in CASES}

    assert kept == {
        (name, record) for name in ("envelope", "flat") for record in RECORDS
    }
