"""The demo's calls are FreeSWITCH's own records, made fresh."""

from __future__ import annotations

import datetime as dt
from itertools import count
from uuid import UUID

import pytest

from cdrhook.demo.records import BROKEN, TEMPLATES, Template, fresh
from dispatcher.adapters.base import Undecodable
from dispatcher.adapters.freeswitch import FreeSwitch
from dispatcher.values import Cdr

NOW = dt.datetime(2027, 3, 28, 1, 2, 3, tzinfo=dt.UTC)


def decoded(template: Template, number: int = 7) -> Cdr | Undecodable:
    ids = count(number * 1000)
    record = fresh(template, number, NOW, lambda: UUID(int=next(ids)))
    [item] = FreeSwitch().decode(record.body, content_type=record.content_type)
    if isinstance(item, Undecodable):
        return item
    assert item.cdr.uid == record.uuid
    return item.cdr


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda one: one.title)
def test_the_call_has_just_ended(template: Template) -> None:
    cdr = decoded(template)
    assert isinstance(cdr, Cdr)
    assert cdr.ended_at is not None
    assert NOW <= cdr.ended_at < NOW + dt.timedelta(seconds=1)
    assert cdr.duration is not None
    assert cdr.started_at < cdr.ended_at


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda one: one.title)
def test_every_call_is_another_one(template: Template) -> None:
    first, second = decoded(template, 1), decoded(template, 2)
    assert isinstance(first, Cdr)
    assert isinstance(second, Cdr)
    assert first.uid != second.uid
    assert first.pbx.id == second.pbx.id


def test_callers_have_numbers_that_belong_to_nobody() -> None:
    cdr = decoded(TEMPLATES[0])
    assert isinstance(cdr, Cdr)
    assert cdr.caller.number == "+442079460007"


def test_local_times_move_along_with_the_epochs() -> None:
    record = fresh(TEMPLATES[0], 1, NOW, lambda: UUID(int=1))
    assert b'"end_stamp":"2027-03-28 01:02:03"' in record.body


def test_what_freeswitch_spoils_stays_spoilt() -> None:
    assert isinstance(decoded(BROKEN), Undecodable)
