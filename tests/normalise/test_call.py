"""A call as a PBX told it, made sense of as a whole."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.adapters import cdr_json
from dispatcher.normalise.call import normalise
from dispatcher.normalise.numbers import e164
from dispatcher.values import (
    Caller,
    DirectionRule,
    Filter,
    Leg,
    Legs,
    Line,
    SourceRules,
)
from tests.adapters.test_cdr_json_roundtrip import cdrs
from tests.pipeline.conftest import call

GB = SourceRules(region="GB")
NUMBERS = st.sampled_from(
    ["101", "*97", "020 3170 3746", "+44 20 3170 3746", "anonymous", "alice", "112"]
)
RULES = st.builds(
    SourceRules,
    region=st.sampled_from(["", "GB", "US", "??"]),
    directions=st.lists(
        st.builds(
            DirectionRule,
            condition=st.builds(
                Filter,
                st.sampled_from(["dir", "cliNum", "cause", "ans", "type"]),
                st.sampled_from(["eq", "ne", "isset"]),
                st.sampled_from(["1", "0", "inbound", "101", "USER_BUSY"]),
            ),
            direction=st.sampled_from(["internal", "inbound", "outbound"]),
        ),
        max_size=3,
    ).map(tuple),
)


def test_numbers_of_the_call_and_of_its_legs_are_changed_and_the_original_is_kept():
    answered = Leg(device=Line(number="101"), user=Line(number="020 3170 3746"))
    told = call(
        "a",
        caller=Caller(number="07400 123456", name="Zoë"),
        dialed=Line(number="02031703746"),
        legs=Legs(answered=answered),
        extra={"freeswitch": {"context": "public"}},
    )

    made = normalise(told, GB)

    assert made.caller == Caller(number="+447400123456", name="Zoë")
    assert made.legs.answered.user.number == "+442031703746"
    assert made.extra == {
        "freeswitch": {"context": "public"},
        "as_sent": {
            "caller.number": "07400 123456",
            "dialed.number": "02031703746",
            "legs.answered.user.number": "020 3170 3746",
        },
    }


def test_a_cause_that_was_replaced_is_kept_as_it_was_sent():
    made = normalise(call("a", hangup_cause="sip:486"), SourceRules())

    assert (made.hangup_cause, made.hangup_cause_code) == ("USER_BUSY", 17)
    assert made.disposition == "busy"
    assert made.extra == {"as_sent": {"hangup_cause": "sip:486"}}


def test_a_call_that_needs_nothing_is_the_same_object():
    told = call("a", hangup_cause="NORMAL_CLEARING", hangup_cause_code=16)

    assert normalise(told, GB) is told


@pytest.mark.parametrize("number", ["02079460018", "442079460018", "1001", "٣٣١٢٣٤٥٦"])
def test_digits_alone_stay_as_they_came_where_no_region_is_known(number):
    cdr = call("c-1", caller=Caller(number=number), disposition="answered")

    assert normalise(cdr, SourceRules()) is cdr
    assert e164(number, "") == number


def test_what_was_not_changed_is_carried_over_whole():
    cdr = call("c-1", caller=Caller(number="+44 20 7946 0018", name="Ann"), duration=5)

    changed = normalise(cdr, SourceRules())

    assert changed == replace(cdr, caller=changed.caller, extra=changed.extra)
    assert changed.caller == Caller(number="+442079460018", name="Ann")


def test_what_the_pbx_itself_calls_as_sent_is_not_lost():
    told = call("a", dialed=Line(number="02031703746"), extra={"as_sent": 5})

    made = normalise(told, GB)

    sent = {"dialed.number": "02031703746", "extra.as_sent": 5}
    assert made.extra == {"as_sent": sent}
    assert normalise(made, GB) == made


@given(cdrs, RULES, NUMBERS, NUMBERS)
@settings(deadline=None)
def test_a_call_that_was_normalised_is_not_changed_again(cdr, rules, one, other):
    cdr = replace(cdr, caller=Caller(number=one), dialed=Line(number=other))

    once = normalise(cdr, rules)

    assert normalise(once, rules) == once
    # It could still be sent to POST /api/v1/cdrs.
    assert cdr_json.parse(cdr_json.dump(once).encode()) == once


def test_a_thousand_calls_of_the_same_numbers_take_milliseconds():
    calls = [
        call(f"c{n}", caller=Caller(number="101"), dialed=Line(number="02031703746"))
        for n in range(1000)
    ]
    normalise(calls[0], GB)

    began = time.process_time()
    for told in calls:
        normalise(told, GB)

    # About 15; a machine that is busy must not fail it.
    assert (time.process_time() - began) * 1000 < 200
