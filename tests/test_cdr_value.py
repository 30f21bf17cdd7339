"""A call is a value, whichever of its fields it was given."""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
import pickle

import pytest
from pydantic import TypeAdapter

from dispatcher.values import Caller, Cdr, Legs

START = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
NAMES = [field.name for field in dataclasses.fields(Cdr)]


def a_call(**given: object) -> Cdr:
    return Cdr(uid="a", started_at=START, **given)  # type: ignore[arg-type]


def test_fields_that_were_not_given_have_their_defaults():
    cdr = a_call()

    assert (cdr.duration, cdr.caller, cdr.legs) == (None, Caller(), Legs())
    assert list(dataclasses.asdict(cdr)) == NAMES
    assert repr(cdr).startswith("Cdr(uid='a', started_at=datetime.datetime(2026,")


def test_calls_are_equal_whether_a_default_was_given_or_not():
    given = a_call(duration=None, caller=Caller())

    assert given == a_call()
    assert hash(given) == hash(a_call())
    assert given != a_call(duration=0)


def test_a_call_cannot_be_changed():
    cdr = a_call(duration=5)

    with pytest.raises(dataclasses.FrozenInstanceError):
        cdr.duration = 6  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        cdr.colour = "red"  # type: ignore[attr-defined]
    with pytest.raises(dataclasses.FrozenInstanceError):
        del cdr.duration


def test_a_call_is_copied_pickled_and_replaced_whole():
    cdr = a_call(duration=5, extra={"a": [1]})

    assert pickle.loads(pickle.dumps(cdr)) == cdr  # noqa: S301
    assert copy.deepcopy(cdr) == copy.copy(cdr) == cdr
    changed = dataclasses.replace(cdr, duration=6)
    assert (changed.duration, changed.extra, cdr.duration) == (6, {"a": [1]}, 5)


@pytest.mark.parametrize(
    "given",
    [{}, {"uid": "a"}, {"uid": "a", "started_at": START, "colour": "red"}],
)
def test_a_missing_field_and_an_unknown_one_are_errors(given):
    with pytest.raises(TypeError, match=r"no field of a Cdr: (started_at|colour)"):
        Cdr(**given)


def test_pydantic_knows_every_field_of_it():
    properties = TypeAdapter(Cdr).json_schema()["properties"]

    assert list(properties) == NAMES
