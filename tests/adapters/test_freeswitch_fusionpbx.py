"""What FusionPBX' variables make of a leg, and that without them nothing changes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dispatcher.adapters.base import Read
from dispatcher.adapters.freeswitch import FreeSwitch
from dispatcher.values import Cdr, Recording
from tests.adapters.freeswitch_documents import as_xml

JSON = "mod_format_cdr_appljson_answered_aleg.body"
DOMAIN = {
    "domain_name": "acme.example",
    "domain_uuid": "6f1c",
    "extension_uuid": "9a2b",
}


@pytest.fixture
def document(sample):
    return json.loads(sample(JSON))


def changed(document: dict[str, Any], **variables: str) -> Cdr:
    """The leg with these variables, posted as FusionPBX has it: by mod_xml_cdr."""
    document["variables"].update(variables)
    [item] = FreeSwitch().decode(as_xml(document))
    assert isinstance(item, Read)
    return item.cdr


def kept(cdr: Cdr) -> dict[str, Any]:
    assert cdr.extra is not None
    values: dict[str, Any] = cdr.extra["freeswitch"]
    return values


@pytest.mark.parametrize(
    ("told", "direction"),
    [
        ("inbound", "inbound"),
        ("outbound", "outbound"),
        ("local", "internal"),
        ("internal", "internal"),
        # A dialplan's own word: the channel's direction is left.
        ("emergency", "inbound"),
    ],
)
def test_the_direction_is_the_one_that_the_tenant_sees(document, told, direction):
    assert changed(document, call_direction=told).direction == direction


def test_a_queue_calls_its_agent_on_behalf_of_a_caller_from_outside(document):
    document["variables"]["direction"] = "outbound"

    assert changed(document, **DOMAIN, cc_side="agent").direction == "inbound"


def test_without_fusionpbx_an_agents_leg_goes_the_way_that_the_switch_says(document):
    document["variables"]["direction"] = "outbound"

    assert changed(document, cc_side="agent").direction == "outbound"


def test_the_did_that_was_dialled_counts_for_a_call_from_outside(document):
    cdr = changed(document, call_direction="inbound", caller_destination="+4930123")

    assert cdr.dialed.number == "+4930123"
    assert kept(cdr)["destination_number"] == "442039702436"


@pytest.mark.parametrize(
    "variables",
    [
        {"call_direction": "local"},
        {"call_direction": "inbound", "originating_leg_uuid": "1"},
    ],
    ids=["internal", "b leg"],
)
def test_where_the_leg_went_counts_for_all_others(document, variables):
    cdr = changed(document, caller_destination="+4930123", **variables)

    assert cdr.dialed.number == "442039702436"
    assert kept(cdr)["caller_destination"] == "+4930123"


@pytest.mark.parametrize(
    ("variables", "disposition"),
    [
        ({"voicemail_answer_stamp": "2026-11-23 00:15:24"}, "voicemail"),
        ({"voicemail_message_seconds": "12"}, "voicemail"),
        ({"voicemail_message_seconds": "0"}, "answered"),
        (
            {
                "answer_uepoch": "0",
                "answer_epoch": "0",
                "voicemail_message_seconds": "12",
            },
            "no_answer",
        ),
    ],
)
def test_a_mailbox_that_took_the_call_is_told_from_a_person(
    document, variables, disposition
):
    assert changed(document, **variables).disposition == disposition


@pytest.mark.parametrize(
    ("variables", "recording"),
    [
        (
            {"record_path": "/rec/acme", "record_name": "a.wav"},
            Recording(id="a.wav", url="/rec/acme/a.wav"),
        ),
        (
            {"cc_record_filename": "/rec/acme/b.wav"},
            Recording(id="b.wav", url="/rec/acme/b.wav"),
        ),
        ({"sofia_record_file": "c.wav"}, Recording(id="c.wav", url="c.wav")),
    ],
)
def test_a_recording_is_found_where_fusionpbx_looks_for_it(
    document, variables, recording
):
    assert changed(document, **variables).recordings == (recording,)


def test_what_fusionpbx_stores_is_kept_but_for_the_pin(document):
    told = {
        **DOMAIN,
        "call_direction": "inbound",
        "missed_call": "true",
        "cc_queue": "sales@acme.example",
        "cc_agent": "1001",
        "ring_group_uuid": "11aa",
        "voicemail_message_seconds": "0",
        "last_app": "lua",
    }

    values = kept(changed(document, **told, pin_number="4711"))

    assert values.items() >= told.items()
    assert "4711" not in values.values()
