"""Numbers are masked, wherever they stand in a call, and nothing else is."""

import dataclasses
import re

import pytest

from dispatcher.payloads.webex_record import NAMES
from dispatcher.privacy.mask import WEBEX_NUMBERS, WEBEX_TEXTS, Masker, masked
from dispatcher.values import (
    Caller,
    Contact,
    Dialer,
    Leg,
    Legs,
    Line,
    Masking,
    Named,
    Recording,
    Summary,
)
from tests.payloads.records import EMPTY, HARD, RICH, WEBEX_OWN, carried

DIGITS = Masking(mask="digits", digits=4)
HASH = Masking(mask="hash", key="a key")
NUMBER = "+442031703746"


def of(masking=DIGITS, **parts):
    """The call that is shown of one with these parts."""
    return masked(carried(dataclasses.replace(EMPTY, **parts)), masking).cdr


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+442031703746", "+44203170xxxx"),
        ("+44 (0)20 3170 3746", "+44 (0)20 3170 xxxx"),
        ("020 3170-3746", "020 3170-xxxx"),
        ("302", "xxx"),
        ("user_302", "user_xxx"),
        (
            "sip:+442031703746@10.0.0.1:5060;user=phone",
            "sip:+44203170xxxx@10.0.0.1:5060;user=phone",
        ),
        ("anonymous", "anonymous"),
        ("", ""),
    ],
)
def test_the_last_digits_become_x_and_all_else_stays(number, shown):
    assert Masker(DIGITS).number(number) == shown


def test_as_many_digits_are_hidden_as_the_webhook_says():
    assert Masker(Masking(mask="digits", digits=2)).number(NUMBER) == "+4420317037xx"
    assert Masker(Masking(mask="digits", digits=20)).number(NUMBER) == "+xxxxxxxxxxxx"


def test_a_hash_is_h_and_16_hex_digits():
    assert re.fullmatch("h[0-9a-f]{16}", Masker(HASH).number(NUMBER))


@pytest.mark.parametrize(
    "same", ["442031703746", "00442031703746", "+44 20 3170 3746", "sip:442031703746@a"]
)
def test_the_same_number_has_the_same_hash(same):
    assert Masker(HASH).number(same) == Masker(HASH).number(NUMBER)


def test_another_webhook_has_another_hash_of_it():
    other = Masking(mask="hash", key="another key")

    assert Masker(other).number(NUMBER) != Masker(HASH).number(NUMBER)


def test_other_numbers_and_names_have_hashes_of_their_own():
    texts = [NUMBER, "02031703746", "302", "user_1", "agent_1", "sip:zoe@pbx"]

    assert len({Masker(HASH).number(text) for text in texts}) == len(texts)


@pytest.mark.parametrize("text", ["anonymous", "Unknown", ""])
def test_what_says_that_there_is_no_number_is_not_hashed(text):
    assert Masker(HASH).number(text) == text


def test_the_key_of_a_webhook_is_in_no_repr():
    assert "a key" not in repr(HASH)


def test_every_property_that_holds_a_number_is_masked():
    leg = Leg(
        device=Line(number=NUMBER), user=Line(number=NUMBER), agent=Line(number=NUMBER)
    )
    shown = of(
        caller=Caller(number=NUMBER),
        dialed=Line(number=NUMBER),
        legs=Legs(first_rang=leg, last_rang=leg, answered=leg, last_answered=leg),
        dialer=Dialer(phone_number=NUMBER),
        contacts=(Contact(phones=(NUMBER, None)),),
    )

    assert "3746" not in repr(shown)
    assert repr(shown).count("+44203170xxxx") == 16


def test_a_number_of_the_call_is_found_where_it_need_not_be():
    shown = of(
        caller=Caller(number=NUMBER, name="02031703746"),
        dialed=Line(number="302", name="Desk 302"),
        call_id="cid-442031703746-1",
        recordings=(Recording(id="2026/20260101-02031703746-302.wav"),),
        route=Named(id="r1", name="via 0044 20 3170 3746"),
        dialer=Dialer(client_id=442031703746),
        tags={"From 442031703746": ["+44 20 3170 3746", 442031703746, 7, 0.5, True]},
    )

    assert "3746" not in repr(shown)
    assert shown.dialed.name == "Desk xxx"
    assert shown.recordings == (Recording(id="2026/20260101-0203170xxxx-302.wav"),)
    assert next(iter(shown.tags.values()))[2:] == [7, 0.5, True]


def test_other_numbers_in_what_people_wrote_are_masked_too():
    shown = of(contacts=(Contact(fields=("ring 020 7946 0018",), title="Dr 7"),))

    assert shown.contacts[0].fields == ("ring 020 7946 xxxx",)
    assert shown.contacts[0].title == "Dr 7"


def test_what_was_said_in_a_call_is_masked():
    said = Summary(transcription="It is 020 7946 0018.", summary="Gave 02079460018.")
    shown = masked(carried(EMPTY, summary=said), DIGITS).summary

    assert shown == Summary(
        transcription="It is 020 7946 xxxx.", summary="Gave 0207946xxxx."
    )


def test_of_extra_only_webex_own_record_passes_masked():
    shown = masked(carried(WEBEX_OWN), DIGITS).cdr
    beside = of(extra={"sip_from": NUMBER})

    assert beside.extra == {}
    assert shown.extra is not None
    assert shown.extra["webex"]["Redirecting number"] == "+44163296xxxx"
    assert shown.extra["webex"]["Called number"] == "xxxx"
    assert shown.extra["webex"]["Start time"] == "2024-05-29T08:37:35.545Z"
    assert shown.extra["webex"]["Duration"] == 56


def test_the_names_of_webex_that_are_masked_are_names_of_webex():
    assert {name.lower() for name in NAMES} >= WEBEX_NUMBERS | WEBEX_TEXTS


@pytest.mark.parametrize("cdr", [RICH, HARD, EMPTY])
@pytest.mark.parametrize("masking", [DIGITS, HASH])
def test_what_is_no_number_stays(cdr, masking):
    shown = masked(carried(cdr), masking).cdr

    for name in ("uid", "call_id", "pbx", "route", "rating", "recordings", "tags"):
        assert getattr(shown, name) == getattr(cdr, name)
    assert dataclasses.asdict(shown).keys() == dataclasses.asdict(cdr).keys()
    assert (shown.started_at, shown.duration) == (cdr.started_at, cdr.duration)
