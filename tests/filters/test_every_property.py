"""Every property that the envelope sends, under every operator that fits it.

The model is plain Python over what a receiver was sent: it knows the names and types
that dimensions.txt gives, and nothing of how filters are compiled. Numbers are kept as
the text that was sent, so that nothing is compared by way of a float.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from decimal import Decimal
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatcher.adapters import cdr_json
from dispatcher.cdr_fields import FIELDS
from dispatcher.filters.conditions import operators_for, refusal
from dispatcher.filters.match import matches
from dispatcher.payloads import envelope
from dispatcher.values import Filter
from tests.payloads.records import carried, subscription

if TYPE_CHECKING:
    from dispatcher.values import Cdr

# Where a record tells the property: what `POST /api/v1/cdrs` takes (PAYLOADS.md).
PLACES = {
    "id": "uid",
    "pbxId": "pbx.id",
    "pbxName": "pbx.name",
    "tz": "time_zone",
    "start": "started_at",
    "answer": "answered_at",
    "end": "ended_at",
    "dur": "duration",
    "ring": "ring_duration",
    "talk": "talk_duration",
    "hold": "hold_duration",
    "park": "park_duration",
    "lost": "abandoned",
    "lostinPark": "abandoned_in_park",
    "aban": "short_ring",
    "ans": "disposition",
    "short": "short_call",
    "cause": "hangup_cause",
    "dir": "direction",
    "type": "call_type",
    "t2t": "trunk_to_trunk",
    "cliNum": "caller.number",
    "cliName": "caller.name",
    "cliLoc": "caller.location",
    "cliArea": "caller.area",
    "cliState": "caller.state",
    "cliCtry": "caller.country",
    "ddiNum": "dialed.number",
    "ddiName": "dialed.name",
    **{
        f"{leg}{party}{part}": f"legs.{leg_path}.{party_path}.{part_path}"
        for (leg, leg_path), (party, party_path), (part, part_path) in product(
            {
                "fRng": "first_rang",
                "lRng": "last_rang",
                "ans": "answered",
                "lAns": "last_answered",
            }.items(),
            {"Dev": "device", "Usr": "user", "Agt": "agent"}.items(),
            {"Num": "number", "Name": "name"}.items(),
        )
    },
    "rteID": "route.id",
    "rteName": "route.name",
    "fRngGroupName": "legs.first_rang.group",
    "lRngGroupName": "legs.last_rang.group",
    "ansGroupName": "legs.answered.group",
    "hasRec": "recordings",
    "rate": "rating",
    "rateCost": "rating.cost",
    "rateBand": "rating.band",
    "rateName": "rating.name",
    "recordingIds": "recordings",
    "directoryMatches": "contacts",
    "tags": "tags",
    "tags.Support": "tags",
}
# The same for every call: dimensions.txt, "CloudSessionCdr" and version 1.
CONSTANT = {"dType", "sVer"}

FLAGS = {"lost", "lostinPark", "aban", "ans", "short", "t2t", "hasRec", "rate"}
NUMBERS = {"sVer", "dur", "ring", "talk", "hold", "park", "rateCost"}
TIMES = {"start", "answer", "end"}
WHOLE = {"directoryMatches", "tags"}
CODES = {
    "dir": ["unknown", "internal", "inbound", "outbound", "both"],
    "type": ["unknown", "internal", "external"],
}
TRUE = {"1": "1", "true": "1", "0": "0", "false": "0"}
EQUALITY = {"eq", "ne", "in"}
PARTS = {"contains", "startswith", "endswith", "matches"}
ORDER = {"gt", "gte", "lt", "lte", "between"}

# Few letters, so that texts often share their parts.
TEXTS = st.text("ab+:,é ", max_size=4)
MOMENTS = st.integers(0, 48 * 60).map(
    # Around the night in which London's clocks go back.
    lambda minutes: (
        dt.datetime(2024, 10, 26, tzinfo=dt.UTC) + dt.timedelta(minutes=minutes)
    )
)
COSTS = st.decimals(min_value=0, max_value=9, places=4)
LIMITS = st.decimals(min_value=-9, max_value=9, places=4)
ZONES = st.sampled_from(["UTC", "Europe/London", "America/New_York"])
PATTERNS = ["^a", "b$", "a.b", "[é+]", "^$", "(?i)A", "^.{2}$", ":|,"]
# What a record may hold at each place; the rest is text.
GIVEN: dict[str, st.SearchStrategy[Any]] = {
    "uid": st.text("ab+:1", min_size=1, max_size=4),
    "time_zone": ZONES,
    "disposition": st.sampled_from(["answered", "busy", "voicemail"]),
    "direction": st.sampled_from(CODES["dir"]),
    "call_type": st.sampled_from(CODES["type"]),
    "rating": st.fixed_dictionaries({}, optional={"cost": COSTS.map(str)}),
    "rating.cost": COSTS.map(str),
    "recordings": st.lists(
        st.builds(lambda name: {"id": name}, TEXTS.filter(bool)), max_size=2
    ),
    "contacts": st.lists(st.builds(lambda name: {"full_name": name}, TEXTS)),
    "tags": st.fixed_dictionaries(
        {},
        optional={
            "Support": st.recursive(
                st.sampled_from([None, True, False, 4.5, 0.035, 1e-07])
                | st.integers(-2, 9)
                | LIMITS.map(str)
                | TEXTS,
                lambda inner: st.lists(inner, max_size=2) | st.just({"a": 1}),
                max_leaves=3,
            )
        },
    ),
}


def given_at(field: str) -> st.SearchStrategy[Any]:
    """What a record may hold where it tells the property."""
    place = PLACES[field]
    if field in TIMES:
        return MOMENTS.map(dt.datetime.isoformat)
    if place in GIVEN:
        return GIVEN[place]
    if field in FLAGS:
        return st.booleans()
    if field in NUMBERS:
        return st.integers(0, 9)
    return TEXTS


def call(field: str, value: Any) -> Cdr:
    """A call of which nothing is known but that one value; None: nor is that."""
    record: dict[str, Any] = {"uid": "a", "started_at": "2024-10-26T09:00:00+00:00"}
    if value is not None and field not in CONSTANT:
        *groups, last = PLACES[field].split(".")
        target = record
        for group in groups:
            target = target.setdefault(group, {})
        target[last] = value
    return cdr_json.parse(record)


def sent(cdr: Cdr, field: str) -> Any:
    """What a receiver gets for the property; None where it gets none."""
    body = envelope.render(subscription(), [carried(cdr)]).body
    payload = json.loads(body, parse_int=str, parse_float=str)["cdr"]
    if field.startswith("tags."):
        return payload.get("tags", {}).get(field.removeprefix("tags."))
    return payload.get(field)


# Conditions -----------------------------------------------------------------------------


def near(field: str, value: Any) -> st.SearchStrategy[str]:
    """One operand: often what was sent, or a part of it."""
    texts = as_texts(value) if value is not None and field not in WHOLE else []
    same = st.sampled_from(texts) if texts else st.nothing()
    if field in FLAGS or field in WHOLE:
        return same | st.sampled_from([*TRUE, "TRUE", " 0 "])
    if field in CODES:
        words = CODES[field]
        return st.sampled_from([*words, *map(str, range(len(words))), words[1].upper()])
    if field in NUMBERS:
        return same | st.integers(0, 9).map(str) | LIMITS.map(lambda cost: f"{cost:f}")
    if field in TIMES:
        elsewhere = st.integers(-12, 14).map(_zone)
        return same | st.builds(
            lambda moment, zone: moment.astimezone(zone).isoformat(), MOMENTS, elsewhere
        )
    parts = same.flatmap(lambda text: st.integers(0, 4).map(lambda n: text[:n]))
    return same | parts | TEXTS


def _zone(hours: int) -> dt.timezone:
    return dt.timezone(dt.timedelta(hours=hours))


def operands(field: str, op: str, value: Any) -> st.SearchStrategy[str]:
    """Operands that the operator understands, for that property."""
    one = near(field, value)
    if op == "isset":
        return st.sampled_from(sorted(TRUE))
    if op == "matches":
        return st.sampled_from(PATTERNS)
    if field.startswith("tags.") and op in ORDER:
        one = st.integers(-2, 9).map(str) | LIMITS.map(lambda cost: f"{cost:f}")
    if op == "in":
        items = one.filter(lambda text: text.strip() and "," not in text)
        return st.lists(items, min_size=1, max_size=3).map(",".join)
    if op == "between":
        ends = st.lists(one, min_size=2, max_size=2)
        return ends.map(lambda pair: ",".join(sorted(pair, key=order_of(field))))
    return one


# The model ------------------------------------------------------------------------------


def as_texts(value: Any) -> list[str]:
    """What was sent as the texts that it may be asked for by."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, bool):
        return ["true", "1"] if value else ["false", "0"]
    if isinstance(value, list):
        return [text for entry in value for text in as_texts(entry)]
    return []


def order_of(field: str) -> Any:
    """How values of the property compare, given as text."""
    if field in TIMES:
        return lambda text: dt.datetime.fromisoformat(text).astimezone(dt.UTC)
    if field in NUMBERS or field.startswith("tags."):
        return Decimal
    return str


def equal_form(field: str, text: str) -> Any:
    """A text as it compares for equality with others of the property."""
    if field in FLAGS:
        return TRUE[text.strip().lower()]
    if field in CODES:
        word = text.strip().lower()
        return CODES[field].index(word) if word in CODES[field] else int(word)
    if field in NUMBERS | TIMES:
        return order_of(field)(text.strip())
    return text


def ordered(field: str, op: str, value: Any, operand: str) -> bool:
    """Whether one of what was sent is above, below or between."""
    read = order_of(field)
    texts = as_texts(value)
    if field.startswith("tags."):
        texts = [text for text in texts if re.fullmatch(r"[+-]?\d+(\.\d+)?", text)]
    first, *last = [read(text) for text in operand.split(",")]
    tests = {
        "gt": lambda one: one > first,
        "gte": lambda one: one >= first,
        "lt": lambda one: one < first,
        "lte": lambda one: one <= first,
        "between": lambda one: first <= one <= last[0],
    }
    return any(tests[op](read(text)) for text in texts)


def part_found(op: str, value: Any, operand: str) -> bool:
    """Whether one of what was sent has that part."""
    tests = {
        "contains": lambda text: operand in text,
        "startswith": lambda text: text.startswith(operand),
        "endswith": lambda text: text.endswith(operand),
        "matches": lambda text: re.search(operand, text) is not None,
    }
    return any(tests[op](text) for text in as_texts(value))


def expected(field: str, op: str, value: Any, operand: str) -> bool:
    """Whether the condition holds for what was sent."""
    if op == "isset":
        return (value is not None) is (TRUE[operand] == "1")
    if value is None:
        return op == "ne"
    if op in ORDER:
        return ordered(field, op, value, operand)
    if op in PARTS:
        return part_found(op, value, operand)
    values = [equal_form(field, text) for text in as_texts(value)]
    items = [item.strip() for item in operand.split(",")] if op == "in" else [operand]
    found = any(equal_form(field, item) in values for item in items)
    return not found if op == "ne" else found


# The tests ------------------------------------------------------------------------------


def test_every_property_that_is_sent_is_asked_for_here():
    assert {*PLACES, *CONSTANT} == {*FIELDS, "tags.Support"}


@pytest.mark.parametrize("field", [*FIELDS, "tags.Support"])
def test_every_property_takes_the_operators_that_fit_its_type(field):
    fitting = EQUALITY | {"isset"}
    if field in WHOLE:
        fitting = {"isset"}
    elif field.startswith("tags."):
        fitting |= PARTS | ORDER
    elif field in NUMBERS | TIMES:
        fitting |= ORDER
    elif field not in FLAGS | set(CODES):
        fitting |= PARTS

    assert set(operators_for(field)) == fitting


@pytest.mark.parametrize("field", sorted({*PLACES, *CONSTANT}))
@settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_filter_holds_exactly_where_it_holds_for_what_is_sent(field, data):
    known = st.none() if field in CONSTANT else given_at(field)
    cdr = call(field, data.draw(st.none() | known, "value"))
    value = sent(cdr, field)

    for op in operators_for(field):
        operand = data.draw(operands(field, op, value), op)
        condition = Filter(field, op, operand)

        assert refusal(condition) is None
        assert matches(cdr, [condition]) is expected(field, op, value, operand)
