"""Hangup causes in one vocabulary, whatever the PBX calls them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.normalise.causes import CODES, NAMES, cause

NAME = st.sampled_from(sorted(CODES))


@pytest.mark.parametrize(
    ("text", "code", "expected"),
    [
        # One of the two is known.
        (None, 16, ("NORMAL_CLEARING", 16)),
        ("USER_BUSY", None, ("USER_BUSY", 17)),
        ("ORIGINATOR_CANCEL", None, ("ORIGINATOR_CANCEL", 16)),
        (None, None, (None, None)),
        # FreeSWITCH tells 16 beside its own names.
        ("LOSE_RACE", 16, ("LOSE_RACE", 16)),
        # Other spellings.
        ("User busy", 17, ("USER_BUSY", 17)),
        ("Normal Clearing", None, ("NORMAL_CLEARING", 16)),
        ("User alerting, no answer", 19, ("NO_ANSWER", 19)),
        ("Unallocated (unassigned) number", None, ("UNALLOCATED_NUMBER", 1)),
        ("NoAnswer", None, ("NO_ANSWER", 19)),
        ("Q.850;cause=17", None, ("USER_BUSY", 17)),
        ("34", None, ("NORMAL_CIRCUIT_CONGESTION", 34)),
        # SIP.
        ("sip:486", None, ("USER_BUSY", 17)),
        ("sip:200", None, ("NORMAL_CLEARING", 16)),
        ("486 Busy Here", None, ("USER_BUSY", 17)),
        ("SIP/2.0 480 Temporarily Unavailable", None, ("NO_USER_RESPONSE", 18)),
        ("SIP;cause=603", None, ("CALL_REJECTED", 21)),
        (None, 404, ("UNALLOCATED_NUMBER", 1)),
        (None, 487, ("ORIGINATOR_CANCEL", 16)),
        ("Busy Here", 486, ("USER_BUSY", 17)),
        ("ORIGINATOR_CANCEL", 487, ("ORIGINATOR_CANCEL", 16)),
        (None, 599, ("NORMAL_TEMPORARY_FAILURE", 41)),
        (None, 302, ("REDIRECTION_TO_NEW_DESTINATION", 23)),
        # What nobody knows stays.
        ("the cat", 16, ("the cat", 16)),
        ("the cat", None, ("the cat", None)),
        (None, 26, (None, 26)),
        (None, 0, (None, 0)),
        (None, 900, (None, 900)),
        ("sip:100", None, ("sip:100", None)),
    ],
)
def test_a_cause_is_told_in_our_words_and_codes(text, code, expected):
    assert cause(text, code) == expected


def test_every_name_of_the_table_has_the_code_that_it_stands_for():
    assert {name: cause(name, None).code for name in NAMES.values()} == {
        name: code for code, name in NAMES.items()
    }


@given(
    st.none() | NAME | st.text(max_size=20) | st.from_regex(r"(sip:)?[0-9]{1,4}.?"),
    st.none() | st.integers(0, 2**16 - 1) | st.integers(0, 700),
)
def test_a_cause_that_was_normalised_is_not_changed_again(text, code):
    once = cause(text, code)

    assert cause(*once) == once
