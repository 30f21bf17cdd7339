"""Whatever a call contains, batch and feed render it, in the same shape."""

import dataclasses
import datetime as dt
import json
import types
from decimal import Decimal
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatcher.payloads import batch, feed
from dispatcher.payloads.webex_record import NAMES
from dispatcher.values import CarriedCdr, Cdr, Summary
from tests.payloads.records import subscription

TEXT = st.text(max_size=8)
ZONES = st.sampled_from(["UTC", "Europe/London", "Asia/Kathmandu", "No/Such_Zone", ""])
OFFSETS = st.sampled_from([-14 * 60, -300, 0, 345, 14 * 60]).map(
    lambda minutes: dt.timezone(dt.timedelta(minutes=minutes))
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e9, 1e9) | TEXT,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2)
    ),
    max_leaves=4,
)
WEBEX = st.dictionaries(
    TEXT | st.sampled_from(NAMES) | st.sampled_from(NAMES).map(str.upper), JSON
)
LEAVES: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: st.integers(),
    bool: st.booleans(),
    type(None): st.none(),
    Decimal: st.decimals(),
    dt.datetime: st.datetimes(timezones=OFFSETS),
}


def _any(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a type of `dispatcher.values`."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        names = [field.name for field in dataclasses.fields(kind)]
        return st.builds(kind, **{name: _any(hints[name]) for name in names})
    if get_origin(kind) in (types.UnionType, Union):
        return st.one_of(*map(_any, get_args(kind)))
    if get_origin(kind) is tuple:
        return st.lists(_any(get_args(kind)[0]), max_size=2).map(tuple)
    if get_origin(kind) is Literal:
        return st.sampled_from(get_args(kind))
    if get_origin(kind) is dict:
        return st.dictionaries(TEXT, JSON, max_size=2)
    return LEAVES[kind]


EXTRA = (
    st.none() | st.dictionaries(TEXT, JSON) | st.fixed_dictionaries({"webex": WEBEX})
)
CARRIED = st.builds(
    CarriedCdr,
    id=st.uuids(),
    cdr=st.builds(
        dataclasses.replace, _any(Cdr), extra=EXTRA, time_zone=st.none() | ZONES
    ),
    tenant_external_id=TEXT,
    tenant_zone=ZONES,
    accepted_at=st.none() | LEAVES[dt.datetime],
    recording_url=TEXT,
)
any_calls = given(st.lists(CARRIED, min_size=1, max_size=3))
patiently = settings(
    deadline=None, max_examples=60, suppress_health_check=list(HealthCheck)
)


def _rendered(render, calls):
    return json.loads(render(subscription(), calls).body)


@patiently
@any_calls
def test_every_value_of_a_batch_is_text_under_the_same_8_keys(calls):
    sent = _rendered(batch.render, calls)

    assert list(sent) == ["type", "cdrs"]
    assert len(sent["cdrs"]) == len(calls)
    for call in sent["cdrs"]:
        assert len(call) == 8
        assert list(call) == list(sent["cdrs"][0])
        assert {type(value) for value in call.values()} == {str}


@patiently
@any_calls
def test_every_value_of_a_batch_of_summaries_is_text(calls):
    said = Summary(transcription="No speech", summary="The call had no speech.")

    sent = _rendered(
        batch.render, [dataclasses.replace(call, summary=said) for call in calls]
    )

    assert sent["type"] == "call_summary"
    for call in sent["cdrs"]:
        assert list(call) == ["uniqueid", "transcription", "summary"]
        assert {type(value) for value in call.values()} == {str}


@patiently
@any_calls
def test_every_item_of_a_feed_begins_with_the_same_names_in_the_same_order(calls):
    items = _rendered(feed.render, calls)["items"]

    assert len(items) == len(calls)
    for call, sent in zip(calls, items, strict=True):
        assert tuple(sent)[: len(NAMES)] == NAMES
        assert None not in [sent[name] for name in NAMES]
        if "webex" not in (call.cdr.extra or {}):
            assert len(sent) == len(NAMES)
