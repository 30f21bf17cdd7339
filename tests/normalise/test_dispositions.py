"""How a call ended, told from its times and its cause."""

from __future__ import annotations

import datetime as dt

import pytest

from dispatcher.normalise.call import normalise
from dispatcher.values import SourceRules
from tests.pipeline.conftest import call

ANSWERED_AT = dt.datetime(2026, 11, 20, 9, 0, 5, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("values", "disposition"),
    [
        ({"answered_at": ANSWERED_AT}, "answered"),
        ({"talk_duration": 3}, "answered"),
        ({"answered_at": ANSWERED_AT, "hangup_cause_code": 17}, "answered"),
        ({"hangup_cause_code": 17}, "busy"),
        ({"hangup_cause": "sip:486"}, "busy"),
        ({"hangup_cause": "NO_ANSWER"}, "no_answer"),
        ({"hangup_cause": "ORIGINATOR_CANCEL"}, "cancelled"),
        ({"hangup_cause_code": 34}, "failed"),
        ({"hangup_cause_code": 16, "talk_duration": 0}, "no_answer"),
        # It may have been answered: nobody says.
        ({"hangup_cause_code": 16}, None),
        ({"hangup_cause": "the cat"}, None),
        ({}, None),
        # What the PBX said counts.
        ({"disposition": "voicemail", "hangup_cause_code": 17}, "voicemail"),
    ],
)
def test_a_disposition_is_told_from_times_and_cause(values, disposition):
    assert normalise(call("a", **values), SourceRules()).disposition == disposition
