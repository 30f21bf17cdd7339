from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import typing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from dispatcher.adapters.cdr_json import content_hash, dump, load, parse
from dispatcher.values import (
    Caller,
    CallType,
    Cdr,
    Contact,
    Dialer,
    DialerItem,
    Direction,
    Disposition,
    Leg,
    Legs,
    Line,
    Named,
    Rating,
    Recording,
)

if TYPE_CHECKING:
    from collections.abc import Callable

Strategy = st.SearchStrategy[Any]

ZONES = [dt.UTC, *(dt.timezone(dt.timedelta(minutes=m)) for m in (-720, 345, 840))]

words = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9
)
seconds = st.integers(0, 2**31 - 1)
numbers_or_words = st.integers(-(2**63), 2**63 - 1) | words
moments = st.datetimes(
    dt.datetime(1971, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    dt.datetime(9998, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    timezones=st.sampled_from(ZONES),
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | words,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3)
    ),
    max_leaves=6,
)
free = st.dictionaries(words, json_values, max_size=4)


def one_of(literal: Any) -> Strategy:
    return st.sampled_from(typing.get_args(literal))


def parts(kind: Callable[..., Any], **values: Strategy) -> Strategy:
    """Instances of `kind`, each value left at its default or drawn."""
    return st.fixed_dictionaries({}, optional=values).map(lambda drawn: kind(**drawn))


def a_cdr(values: Any) -> Cdr:
    return Cdr(**values)


def lists(of: Strategy, most: int) -> Strategy:
    return st.lists(of, max_size=most).map(tuple)


named = parts(Named, id=words, name=words)
lines = parts(Line, number=words, name=words)
legs = parts(Leg, device=lines, user=lines, agent=lines, group=words)
items = parts(DialerItem, id=numbers_or_words, name=words)
recordings = st.builds(Recording, id=words, url=st.none() | words)
costs = st.decimals(0, 10**9, places=4)
contacts = parts(
    Contact,
    directory=named,
    **dict.fromkeys(
        ("contact_id", "title", "full_name", "company", "job_title", "email", "crm_id"),
        words,
    ),
    phones=lists(st.none() | words, 4),
    fields=lists(st.none() | words, 10),
)
dialers = parts(
    Dialer,
    **dict.fromkeys(
        ("client_id", "callrequest_id", "leg_type", "amd_status"), numbers_or_words
    ),
    campaign=items,
    phone_number=words,
    phonebooks=lists(items, 3),
    gateway=words,
    incremental_duration=seconds,
)
known: dict[str, Strategy] = {
    **dict.fromkeys(("call_id", "hangup_cause", "user_type", "report_id"), words),
    **dict.fromkeys(("answered_at", "ended_at"), moments),
    **dict.fromkeys(
        (
            *("duration", "ring_duration", "talk_duration", "hold_duration"),
            *("park_duration", "billed_duration"),
        ),
        seconds,
    ),
    **dict.fromkeys(
        (
            *("abandoned", "abandoned_in_park", "short_ring", "short_call"),
            *("trunk_to_trunk", "sold_by_partner"),
        ),
        st.booleans(),
    ),
    "time_zone": st.sampled_from(["Europe/London", "Asia/Kathmandu", "UTC"]),
    "direction": one_of(Direction),
    "call_type": one_of(CallType),
    "disposition": one_of(Disposition),
    "hangup_cause_code": st.integers(0, 65535),
    "caller": parts(
        Caller,
        **dict.fromkeys(
            ("number", "name", "location", "area", "state", "country"), words
        ),
    ),
    "dialed": lines,
    "legs": parts(
        Legs, first_rang=legs, last_rang=legs, answered=legs, last_answered=legs
    ),
    "pbx": named,
    "route": named,
    "recordings": lists(recordings, 3),
    "rating": parts(Rating, cost=costs, band=words, name=words),
    "dialer": dialers,
    "contacts": lists(contacts, 2),
    "tags": free,
    "extra": free,
}
cdrs = st.fixed_dictionaries(
    {
        "uid": st.from_regex(r"[A-Za-z0-9._:@+-]{1,200}", fullmatch=True),
        "started_at": moments,
    },
    optional=known,
).map(a_cdr)

# As a PBX may tell them: offsets of seconds are those of times before 1970.
odd_moments = st.datetimes(
    timezones=st.integers(-86_399, 86_399).map(
        lambda offset_s: dt.timezone(dt.timedelta(seconds=offset_s))
    )
) | st.datetimes(timezones=st.timezones())
PYDANTIC = TypeAdapter(Cdr)

examples = settings(deadline=None, database=None, max_examples=150)


def reordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return [reordered(item) for item in value] if isinstance(value, list) else value


def test_every_field_of_a_cdr_is_drawn():
    assert {*known, "uid", "started_at"} == {
        field.name for field in dataclasses.fields(Cdr)
    }


@examples
@given(cdrs)
def test_what_was_dumped_is_loaded_exactly(cdr):
    text = dump(cdr)

    assert load(text) == cdr
    assert dump(load(text)) == text


@examples
@given(cdrs)
def test_what_was_dumped_would_be_taken_from_a_sender(cdr):
    text = dump(cdr)

    assert parse(text.encode()) == cdr
    assert dump(parse(text.encode())) == text


@examples
@given(cdrs)
def test_the_order_of_keys_does_not_change_the_text(cdr):
    text = dump(cdr)

    assert dump(parse(reordered(json.loads(text)))) == text


def in_order(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: in_order(value[key]) for key in sorted(value)}
    return [in_order(item) for item in value] if isinstance(value, list) else value


@settings(examples, max_examples=400)
@given(cdrs, st.permutations(sorted(known)), odd_moments)
def test_the_text_is_what_pydantic_writes_of_the_same_call(cdr, order, moment):
    given_in_any_order = {name: getattr(cdr, name) for name in order}
    cdr = a_cdr({**given_in_any_order, "uid": cdr.uid, "started_at": moment})

    ordered = dataclasses.replace(
        cdr, tags=in_order(cdr.tags), extra=in_order(cdr.extra)
    )
    assert dump(cdr) == PYDANTIC.dump_json(ordered, exclude_defaults=True).decode()


def test_parts_of_which_nothing_is_known_are_left_out_where_that_is_the_default():
    start = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
    cdr = Cdr(
        uid="a",
        started_at=start,
        pbx=Named(),
        caller=Caller(),
        dialed=Line(),
        dialer=Dialer(),
        legs=Legs(answered=Leg(user=Line())),
        rating=Rating(),
        contacts=(Contact(directory=Named(), phones=(None,)),),
        tags={},
    )

    assert dump(cdr) == (
        '{"uid":"a","started_at":"2026-11-23T00:00:00Z","rating":{},'
        '"contacts":[{"phones":[null]}],"tags":{}}'
    )


def test_half_a_character_cannot_be_written(record):
    cdr = dataclasses.replace(parse(record), call_id="\ud800")

    with pytest.raises(ValueError, match="surrogates not allowed"):
        dump(cdr)


def test_unknown_values_are_left_out_and_known_ones_kept():
    start = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
    cdr = Cdr(uid="a", started_at=start, duration=0, abandoned=False, recordings=())

    assert dump(cdr) == (
        '{"uid":"a","started_at":"2026-11-23T00:00:00Z","duration":0,'
        '"abandoned":false,"recordings":[]}'
    )


def test_an_offset_is_kept_as_told(record):
    assert '"started_at":"2026-11-23T00:15:23+01:00"' in dump(parse(record))


def test_utc_is_written_in_one_way(record):
    z = parse({**record, "started_at": "2026-11-23T00:15:23Z"})
    zero = parse({**record, "started_at": "2026-11-23T00:15:23+0000"})

    assert dump(z) == dump(zero)


def test_the_content_hash_is_the_sha256_of_the_text(record):
    text = dump(parse({**record, "caller": {"name": "Ünal"}}))

    assert content_hash(text) == hashlib.sha256(text.encode()).hexdigest()
