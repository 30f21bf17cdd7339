"""What Yeastar's reports become, and whose signature counts."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from dispatcher.adapters.base import Read, Undecodable, WrongSignature
from dispatcher.adapters.yeastar import Yeastar
from dispatcher.values import SourceRules

FOLDER = Path(__file__).parents[1] / "samples" / "yeastar"
BERLIN = SourceRules(zone="Europe/Berlin")
SECRET = "0123456789abcdef0123456789abcdef"
SIGNED = SourceRules(secret=SECRET)


def sample(name: str) -> bytes:
    return (FOLDER / f"documented_{name}").read_bytes()


def decode(record: object, rules: SourceRules = BERLIN) -> Any:
    """The one record: a Cdr, or an Undecodable."""
    [item] = Yeastar().decode(json.dumps(record).encode(), rules=rules)
    return item.cdr if isinstance(item, Read) else item


def signature(body: bytes, secret: str = SECRET) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    return {"x-signature": base64.b64encode(digest).decode()}


@pytest.fixture
def report() -> dict[str, Any]:
    return dict(json.loads(sample("s_series_v2.json")))


def test_times_are_those_of_the_sources_zone(report):
    cdr = decode(report)

    assert cdr.started_at.isoformat() == "2026-10-25T22:40:00+00:00"
    assert cdr.time_zone == "Europe/Berlin"


def test_an_hour_that_comes_twice_is_marked(report):
    cdr = decode({**report, "timestart": "2026-10-25 02:30:00"})

    assert cdr.started_at.isoformat() == "2026-10-25T00:30:00+00:00"
    assert cdr.extra["yeastar"]["clock"] == "ambiguous"


@pytest.mark.parametrize(
    ("status", "disposition"),
    [
        ("ANSWERED", "answered"),
        ("NO ANSWER", "no_answer"),
        ("NO ANSWERED", "no_answer"),
        ("Busy", "busy"),
        ("VOICEMAIL", "voicemail"),
        ("ABANDONED", "cancelled"),
        ("FAILED", "failed"),
        ("SOMETHING NEW", None),
        ("", None),
    ],
)
def test_its_words_for_how_a_call_ended_are_ours(report, status, disposition):
    cdr = decode({**report, "status": status})

    assert cdr.disposition == disposition
    assert cdr.extra["yeastar"].get("status", "") == status


@pytest.mark.parametrize(
    ("kind", "direction", "call_type"),
    [
        ("Internal", "internal", "internal"),
        ("inbound", "inbound", "external"),
        ("Outbound", "outbound", "external"),
        ("Conference", None, None),
    ],
)
def test_its_types_are_directions(report, kind, direction, call_type):
    cdr = decode({**report, "type": kind})

    assert (cdr.direction, cdr.call_type) == (direction, call_type)


def test_the_trunk_is_found_under_the_name_that_is_misspelt(report):
    out = {**report, "type": "Outbound", "dsttrcunkname": "SIP-OUT"}

    assert decode(out).dialer.gateway == "SIP-OUT"


def test_two_records_of_a_transferred_call_are_two_with_one_call_id(report):
    first, second = decode(report), decode({**report, "callto": "6201"})

    assert first.uid != second.uid
    assert first.call_id == second.call_id == report["callid"]


def test_a_record_that_is_repeated_with_its_recording_keeps_its_uid(report):
    assert decode({**report, "recording": ""}).uid == decode(report).uid


def test_a_name_before_the_number_is_its_name(report):
    cdr = decode({**report, "callfrom": "Front desk<1001>"})

    assert (cdr.caller.number, cdr.caller.name) == ("1001", "Front desk")


@pytest.mark.parametrize(
    "name", ["p_series.json", "p_series_text.json", "p_series.form"]
)
def test_a_p_series_report_is_read_in_each_of_its_forms(name):
    [item] = Yeastar().decode(sample(name))

    assert isinstance(item, Read)
    assert item.cdr.call_id == "1793055800.11"
    assert item.cdr.uid.startswith("20261026")


@pytest.mark.parametrize(
    "record",
    [
        {"event": "BootUp", "sn": "1"},
        {"action": "RING"},
        {"type": 30011, "msg": {}},
        {"sn": "1"},
        [],
        7,
    ],
)
def test_other_reports_are_kept_out(record):
    assert isinstance(decode(record), Undecodable)


def test_what_to_switch_off_is_said(report):
    item = decode({**report, "event": "CallStatus"})

    assert "have the PBX report NewCdr (30012, Call End Details) only" in item.reason


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"callid": ""}, "callid"),
        ({"timestart": ""}, "timestart"),
        ({"timestart": "23:40"}, "timestart"),
        ({"callduraction": "-1"}, "callduraction"),
        ({"callduraction": "9" * 18}, "callduraction"),
        ({"callfrom": "x" * 501}, "callfrom"),
    ],
)
def test_a_value_that_cannot_be_is_named_as_yeastar_names_it(report, change, field):
    item = decode({**report, **change})

    assert isinstance(item, Undecodable)
    assert item.errors[0].field == field


@pytest.mark.parametrize("msg", ["{", "[]", "[" * 5000, 7, None])
def test_a_message_that_is_no_object_is_refused(msg):
    item = decode({"type": 30012, "msg": msg})

    assert isinstance(item, Undecodable)


@pytest.mark.parametrize("name", ["p_series.json", "p_series.form"])
def test_a_body_signed_with_the_sources_secret_is_read(name):
    body = sample(name)

    [item] = Yeastar().decode(body, headers=signature(body), rules=SIGNED)

    assert isinstance(item, Read)


def test_of_a_get_the_query_is_what_is_signed():
    query = sample("p_series.form")

    [item] = Yeastar().decode(
        b"", query=query.decode(), headers=signature(query), rules=SIGNED
    )

    assert isinstance(item, Read)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-signature": ""},
        {"x-signature": "ü\ud800"},
        signature(b"something else"),
        signature(sample("p_series.json"), "another secret"),
    ],
)
def test_a_body_with_no_or_another_signature_is_refused(headers):
    with pytest.raises(WrongSignature):
        Yeastar().decode(sample("p_series.json"), headers=headers, rules=SIGNED)


def test_the_s_series_is_answered_200_and_others_202():
    assert Yeastar().success_status({"user-agent": "WebAPI"}) == 200
    assert Yeastar().success_status({"user-agent": "curl/8"}) == 202
