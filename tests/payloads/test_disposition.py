"""How a call ended is what the PBX said, else only what leaves no doubt."""

import dataclasses
from typing import Any

import pytest

from dispatcher.payloads.disposition import disposition
from tests.payloads.records import EMPTY, STARTED


@pytest.mark.parametrize(
    ("known", "ended"),
    [
        ({}, None),
        ({"duration": 348, "ended_at": STARTED}, None),
        ({"answered_at": STARTED}, "answered"),
        ({"answered_at": STARTED, "talk_duration": 0}, "answered"),
        ({"talk_duration": 1}, "answered"),
        ({"billed_duration": 6}, "answered"),
        ({"talk_duration": 0, "duration": 20}, "no_answer"),
        ({"duration": 0}, "no_answer"),
        ({"abandoned": True, "duration": 20}, "no_answer"),
        ({"abandoned": False, "duration": 20}, None),
        ({"hangup_cause_code": 17, "duration": 20}, "busy"),
        ({"hangup_cause": "USER_BUSY", "talk_duration": 0}, "busy"),
        ({"hangup_cause": "NORMAL_CLEARING", "hangup_cause_code": 16}, None),
    ],
)
def test_an_unreported_disposition_follows_from_the_other_fields(known, ended):
    assert disposition(dataclasses.replace(EMPTY, **known)) == ended


def test_a_reported_disposition_stands_whatever_else_is_known():
    known: dict[str, Any] = {"disposition": "voicemail", "answered_at": STARTED}

    assert disposition(dataclasses.replace(EMPTY, **known)) == "voicemail"
