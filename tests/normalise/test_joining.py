"""One call of the legs that a PBX told one by one."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.adapters import cdr_json
from dispatcher.normalise.joining import call_of, is_complete, joined
from dispatcher.values import Dialer, Leg, Legs, Line, Recording
from tests.adapters.test_cdr_json_roundtrip import cdrs, words
from tests.pipeline.conftest import call

START = dt.datetime(2026, 11, 20, 9, 0, tzinfo=dt.UTC)
A, B, C = "a-leg", "b-leg", "c-leg"


def at(seconds):
    return START + dt.timedelta(seconds=seconds)


def a_leg(**values):
    extra = {"bridge_uuid": B, **values.pop("freeswitch", {})}
    return call(
        A,
        **{
            "call_id": A,
            "started_at": at(0),
            "ended_at": at(60),
            "disposition": "answered",
            "answered_at": at(1),
            "dialer": Dialer(leg_type=1),
            "dialed": Line(number="200"),
            "extra": {"freeswitch": extra},
            **values,
        },
    )


def b_leg(uid=B, **values):
    return call(
        uid,
        **{
            "call_id": A,
            "started_at": at(5),
            "answered_at": at(10),
            "ended_at": at(61),
            "talk_duration": 51,
            "disposition": "answered",
            "dialer": Dialer(leg_type=2),
            "dialed": Line(number="201", name="Ada"),
            "extra": {"freeswitch": {"originating_leg_uuid": A}},
            **values,
        },
    )


def busy(uid=C):
    return b_leg(
        uid,
        started_at=at(2),
        answered_at=None,
        ended_at=at(3),
        talk_duration=0,
        disposition="busy",
        dialed=Line(number="202"),
    )


def test_the_a_leg_gives_who_called_whom_and_the_answered_leg_who_answered():
    made = joined(A, [a_leg(), busy(), b_leg()])

    assert (made.uid, made.call_id, made.started_at) == (A, A, at(0))
    assert made.dialed == Line(number="200")
    assert (made.answered_at, made.ended_at) == (at(10), at(61))
    assert (made.duration, made.ring_duration, made.talk_duration) == (61, 10, 51)
    assert made.disposition == "answered"
    ada = Leg(device=Line(number="201", name="Ada"))
    assert made.legs == Legs(
        first_rang=Leg(device=Line(number="202")),
        last_rang=ada,
        answered=ada,
        last_answered=ada,
    )
    assert (made.extra or {})["legs"] == [A, C, B]
    assert "legs_missing" not in (made.extra or {})


def test_the_order_in_which_legs_came_makes_no_difference():
    legs = [a_leg(), busy(), b_leg()]

    made = {repr(joined(A, order)) for order in itertools.permutations(legs)}

    assert len(made) == 1


def test_a_call_that_nobody_answered_ends_as_its_a_leg_did():
    a = a_leg(disposition="no_answer", answered_at=None, abandoned=False)

    made = joined(A, [a, busy(B)])

    assert (made.disposition, made.answered_at) == ("no_answer", None)
    assert made.legs.answered == Leg()
    assert made.legs.last_rang.device.number == "202"


def test_a_call_that_only_a_menu_answered_is_answered_by_nobody():
    made = joined(A, [a_leg(), busy(B)])

    assert (made.disposition, made.answered_at) == ("answered", at(1))
    assert made.legs.answered == Leg()


def test_recordings_of_all_legs_are_the_calls_each_once():
    one, other = Recording(id="1"), Recording(id="2")

    made = joined(A, [a_leg(recordings=(one,)), b_leg(recordings=(one, other))])

    assert made.recordings == (one, other)
    assert joined(A, [a_leg(), b_leg()]).recordings is None


def rang(number, *, took=False):
    """The legs of a row that tells itself whom it rang."""
    leg = Leg(device=Line(number=number))
    return Legs(
        first_rang=leg,
        last_rang=leg,
        answered=leg if took else Leg(),
        last_answered=leg if took else Leg(),
    )


def test_rows_without_leg_types_tell_themselves_whom_they_rang():
    values = {"call_id": "x", "dialed": Line(number="200"), "ended_at": at(9)}
    missed = {"disposition": "no_answer", "legs": rang("201")}
    rows = [
        call("x-0", started_at=at(0), **values, **missed),
        call("x-1", started_at=at(1), **values, **_taken()),
    ]

    made = joined("x", rows)

    assert (made.started_at, made.answered_at) == (at(0), at(4))
    assert (made.disposition, made.talk_duration) == ("answered", 5)
    assert made.legs.first_rang.device.number == "201"
    assert made.legs.last_rang.device.number == "202"
    assert made.legs.answered.device.number == "202"


def test_rows_of_one_second_are_in_the_order_of_their_sequence():
    rows = [
        call(f"17.1-{n}", started_at=at(0), call_id="x", legs=rang(str(200 + n)))
        for n in (10, 9, 11)
    ]

    made = joined("x", rows)

    assert (made.extra or {})["legs"] == ["17.1-9", "17.1-10", "17.1-11"]
    assert made.legs.first_rang.device.number == "209"
    assert made.legs.last_rang.device.number == "211"


def test_a_call_of_one_row_is_that_row():
    row = call("x-0", call_id="x", **_taken(), extra={"asterisk": {}})

    made = joined("x", [row])

    assert made.legs == row.legs
    assert (made.answered_at, made.talk_duration) == (at(4), 5)


def _taken():
    return {
        "disposition": "answered",
        "answered_at": at(4),
        "talk_duration": 5,
        "legs": rang("202", took=True),
    }


@pytest.mark.parametrize(
    ("legs", "complete"),
    [
        ([a_leg(), b_leg()], True),
        ([a_leg()], False),
        ([b_leg()], False),
        # It was bridged to none, and rang nobody.
        ([a_leg(freeswitch={"bridge_uuid": None})], True),
        # It rang others, and does not say how many.
        (
            [a_leg(freeswitch={"bridge_uuid": None, "last_app": "bridge"}), busy(B)],
            False,
        ),
        # Kazoo tells where it names another leg.
        ([a_leg(extra={"kazoo": {"other_leg_call_id": B}})], False),
        (
            [
                a_leg(extra={"kazoo": {"other_leg_call_id": B}}),
                b_leg(extra={"kazoo": {"other_leg_call_id": A}}),
            ],
            True,
        ),
        ([a_leg(extra={"kazoo": {}})], False),
        # Other PBXs do not tell.
        ([a_leg(extra=None), b_leg(extra=None)], False),
    ],
)
def test_freeswitch_tells_whether_a_leg_is_missing(legs, complete):
    assert is_complete(legs) is complete


@pytest.mark.parametrize(
    ("legs", "missing"),
    [
        ([a_leg()], True),
        ([b_leg()], True),
        ([a_leg(extra=None)], True),
        ([a_leg(extra={"asterisk": {}})], False),
        ([a_leg(extra={"kazoo": {}})], False),
        ([a_leg(freeswitch={"bridge_uuid": None, "last_app": "bridge"})], True),
        ([a_leg(freeswitch={"bridge_uuid": None})], False),
        ([a_leg(extra=None), b_leg(extra=None)], False),
    ],
)
def test_a_call_is_marked_whose_other_leg_never_came(legs, missing):
    assert ((joined(A, legs).extra or {}).get("legs_missing") is True) is missing


def test_a_leg_belongs_to_the_call_that_it_names_else_to_who_originated_it():
    assert call_of(b_leg()) == A
    assert call_of(b_leg(call_id=B)) == A
    assert call_of(b_leg(call_id=None)) == A
    assert call_of(a_leg()) == A
    assert call_of(call("x")) is None


@given(st.lists(cdrs, min_size=1, max_size=4), words.filter(bool))
@settings(deadline=None)
def test_whatever_legs_are_their_call_could_be_sent_to_us(legs, call_id):
    made = joined(call_id, legs)

    assert cdr_json.parse(cdr_json.dump(made).encode()) == made


def test_an_id_that_is_no_uid_is_made_one():
    assert joined("a/b", [a_leg()]).uid.startswith("a_b-")
