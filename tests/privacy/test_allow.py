"""A receiver is shown the properties that are allowed, and the rest is unknown."""

import dataclasses

import pytest

from dispatcher.cdr_fields import FIELDS
from dispatcher.privacy.allow import (
    allowed_of,
    known_names,
    only_allowed,
    unknown_among,
)
from dispatcher.values import (
    Caller,
    Cdr,
    Dialer,
    DialerItem,
    Leg,
    Legs,
    Line,
    Rating,
    Recording,
    Summary,
)
from tests.payloads.records import RICH, carried


def shown(*names, **values):
    """What is shown of the rich call."""
    return only_allowed(carried(RICH, **values), allowed_of(names))


def test_what_is_not_allowed_is_unknown():
    kept = shown("cliNum", "dur").cdr

    assert kept == Cdr(
        uid=RICH.uid,
        started_at=RICH.started_at,
        duration=64,
        caller=Caller(number="+12125550100"),
    )


def test_a_name_of_the_api_means_all_beneath_it():
    kept = shown("caller", "legs.answered.user", "dialer.campaign.name").cdr

    assert kept.caller == RICH.caller
    assert kept.legs == Legs(answered=Leg(user=RICH.legs.answered.user))
    assert kept.dialer == Dialer(campaign=DialerItem(name="Spring"))
    assert kept.dialed == Line()


def test_names_may_overlap_in_any_order():
    assert shown("caller", "cliNum").cdr == shown("cliNum", "caller").cdr
    assert shown("rate", "rating").cdr == shown("rating", "rate").cdr


def test_single_tags_can_be_allowed():
    assert shown("tags.vip", "tags.absent").cdr.tags == {"vip": True}
    assert shown("tags").cdr.tags == RICH.tags


def test_that_there_is_something_can_be_shown_without_what():
    kept = shown("hasRec", "rate", recording_url="https://x/")

    assert kept.cdr.recordings == (Recording(id=""), Recording(id=""))
    assert kept.cdr.rating == Rating()
    assert kept.recording_url == ""
    assert "recordingIds" not in allowed_of(("hasRec",)).shown


def test_a_link_goes_with_the_recordings():
    kept = shown("recordings", recording_url="https://x/")

    assert (kept.cdr.recordings, kept.recording_url) == (RICH.recordings, "https://x/")


def test_what_was_said_has_names_of_its_own():
    said = Summary(transcription="Hello", summary="A greeting")

    assert shown("summary", summary=said).summary == Summary(
        transcription="", summary="A greeting"
    )


@pytest.mark.parametrize("name", known_names())
def test_every_known_name_shows_something_of_a_call(name):
    assert unknown_among([name]) == []

    call = dataclasses.replace(RICH, report_id="r", extra={"of": "a PBX"})
    kept = only_allowed(carried(call), allowed_of((name,))).cdr

    bare = Cdr(uid=RICH.uid, started_at=RICH.started_at)
    silent = {"id", "dType", "sVer", "start", "uid", "started_at"}
    assert (kept == bare) is (name in silent | {"transcription", "summary"})


def test_the_fields_of_the_envelope_follow_the_apis_names():
    names = allowed_of(("caller", "rating")).shown

    assert names == {n for n in FIELDS if n.startswith("cli")} | {
        *("rate", "rateCost", "rateBand", "rateName")
    }


def test_what_names_no_property_is_told():
    assert unknown_among(["nope", "cliNum", "tags.", "caller.nope"]) == [
        *("nope", "tags.", "caller.nope")
    ]
