"""What every payload style keeps to; a new one is tested by being registered."""

import dataclasses
import datetime as dt
import json
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

import pytest

from dispatcher.payloads.registry import STYLES, style
from dispatcher.values import Caller, CarriedCdr, Cdr, Subscription

STARTED = dt.datetime(2024, 5, 29, 8, 37, 35, tzinfo=dt.UTC)
CALLS = {
    "empty": Cdr(uid="call-1", started_at=STARTED),
    "hard": Cdr(
        uid="call-2",
        started_at=STARTED,
        time_zone="No/Such_Zone",
        caller=Caller(number="+1", name='Zoë "+&=%" \ud800 😀'),
    ),
}
# As many calls as a delivery carries, up to this many.
SEVERAL = 3
METHODS = ("GET", "POST", "PUT")
FORMATS = ("json", "form")
COMBINATIONS = [
    (name, method, form)
    for name, entry in STYLES.items()
    for method in entry.methods
    for form in entry.formats
]


def _rendered_all(name, method, form, carried):
    webhook = Subscription(
        webhook_id=UUID(int=1), tenant_external_id="t", method=method, format=form
    )
    return style(name).render(webhook, carried)


def _rendered(name, method, form, call="hard"):
    carried = [CarriedCdr(id=UUID(int=2), cdr=CALLS[call])]
    return _rendered_all(name, method, form, carried)


def _several(count):
    """Calls that differ in their ids alone."""
    return [
        CarriedCdr(
            id=UUID(int=number),
            cdr=dataclasses.replace(CALLS["hard"], uid=f"several-{number}-"),
        )
        for number in range(1, count + 1)
    ]


def _is_json(method, form):
    return method != "GET" and form == "json"


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("name", "method", "form"), COMBINATIONS)
def test_the_same_call_is_the_same_bytes_again(name, method, form, call):
    first = _rendered(name, method, form, call)

    assert first == _rendered(name, method, form, call)
    assert first.method == method
    assert first.body


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("name", "method", "form"), COMBINATIONS)
def test_the_body_parses_as_its_content_type_says(name, method, form, call):
    rendered = _rendered(name, method, form, call)

    if _is_json(method, form):
        assert rendered.content_type == "application/json"
        assert isinstance(json.loads(rendered.body), dict)
    else:
        expected = "" if method == "GET" else "application/x-www-form-urlencoded"
        assert rendered.content_type == expected
        assert parse_qsl(rendered.body.decode("ascii"), strict_parsing=True)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("name", "method", "form"),
    [case for case in COMBINATIONS if not _is_json(*case[1:])],
)
def test_form_data_comes_back_from_a_standard_parser(name, method, form, call):
    body = _rendered(name, method, form, call).body.decode("ascii")

    pairs = parse_qsl(body, keep_blank_values=True, strict_parsing=True)

    assert urlencode(pairs) == body


@pytest.mark.parametrize(("name", "method", "form"), COMBINATIONS)
def test_a_delivery_of_several_calls_carries_each_of_them_once(name, method, form):
    carried = _several(min(SEVERAL, style(name).max_cdrs))

    body = _rendered_all(name, method, form, carried).body
    alone = _rendered_all(name, method, form, carried[:1]).body

    for one in carried:
        # A style may name a call in more than one field, but each call as often.
        named = body.count(one.cdr.uid.encode())
        assert named == alone.count(carried[0].cdr.uid.encode()) > 0


@pytest.mark.parametrize(("name", "method", "form"), COMBINATIONS)
def test_only_the_clock_makes_a_delivery_of_no_call(name, method, form):
    if style(name).bundles == "clock":
        assert _rendered_all(name, method, form, []).body
    else:
        with pytest.raises(ValueError, match="not 0"):
            _rendered_all(name, method, form, [])


@pytest.mark.parametrize(("name", "method", "form"), COMBINATIONS)
def test_more_calls_than_a_style_carries_are_refused(name, method, form):
    most = style(name).max_cdrs

    with pytest.raises(ValueError, match=f"not {most + 1}"):
        _rendered_all(name, method, form, _several(1) * (most + 1))


@pytest.mark.parametrize("name", STYLES)
def test_a_style_bundles_if_it_carries_more_than_one_call(name):
    assert bool(style(name).bundles) is (style(name).max_cdrs > 1)


@pytest.mark.parametrize("name", STYLES)
def test_a_style_has_headers_of_its_own_only_for_a_window(name):
    entry = style(name)
    rendered = _rendered(name, entry.methods[0], entry.formats[0])

    assert rendered.headers == {}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", STYLES)
def test_a_style_refuses_exactly_what_it_does_not_list(name, method, form):
    entry = style(name)
    refused = entry.refusals(
        method=method,
        format=form,
        custom_data=(),
        has_filters=False,
        owner=entry.owners[0],
    )

    expected = {"method"} - {"method" if method in entry.methods else ""}
    expected |= {"format"} - {"format" if form in entry.formats else ""}
    assert {error.field for error in refused} == expected


@pytest.mark.parametrize("name", STYLES)
def test_a_style_refuses_an_owner_filters_and_data_that_it_does_not_take(name):
    entry = style(name)
    refused = entry.refusals(
        method=entry.methods[0],
        format=entry.formats[0],
        custom_data=["hook"],
        has_filters=True,
        owner="nobody",
    )

    fields = {error.field for error in refused}
    assert "style" in fields
    assert ("filters" in fields) is not entry.filters
    assert ("custom_data" in fields) is not entry.custom_data


@pytest.mark.parametrize("name", STYLES)
def test_a_style_is_registered_under_its_own_name(name):
    assert style(name).name == name
    assert style(name).max_cdrs >= 1
