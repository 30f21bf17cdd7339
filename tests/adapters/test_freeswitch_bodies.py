"""The shapes that a FreeSWITCH body comes in, and those that cannot be read."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest

from dispatcher.adapters.base import Read, Undecodable
from dispatcher.adapters.freeswitch import FreeSwitch
from dispatcher.values import Cdr

PLAIN = "mod_json_cdr_plain_application_json.body"
FORM = "mod_json_cdr_form_urlencoded_encode_values_false.body"
BROKEN = "mod_json_cdr_form_DEFAULT_encode_values_true_BROKEN.body"
CSV = "mod_cdr_csv_Master.csv"


def decode(body: bytes, **request: Any) -> Cdr | Undecodable:
    [item] = FreeSwitch().decode(body, **request)
    return item.cdr if isinstance(item, Read) else item


def refused(body: bytes) -> str:
    item = decode(body)
    assert isinstance(item, Undecodable)
    assert item.body == body
    return item.reason


def with_userfield(body: bytes, value: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(body)
    document["variables"]["userfield"] = value
    return document


def encode_values(document: dict[str, Any]) -> bytes:
    """What `encode-values` does, which is on by default."""
    variables = {k: quote(v) for k, v in document["variables"].items()}
    return json.dumps({**document, "variables": variables}).encode()


def userfield(item: Cdr | Undecodable) -> str:
    assert isinstance(item, Cdr)
    assert item.extra is not None
    text: str = item.extra["freeswitch"]["userfield"]
    return text


@pytest.fixture
def plain(sample):
    return sample(PLAIN)


def test_a_form_gives_what_raw_json_gives(sample):
    cdr = decode(sample(FORM))

    assert isinstance(cdr, Cdr)
    assert cdr.uid == "332b7d65-b719-406c-abf0-b9d20aca54ba"
    assert cdr.caller.number == "+442031703746"
    assert cdr.caller.name == 'Alice "A" Ünal & Co'
    assert cdr.talk_duration == 3


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda json_: b"cdr=" + quote(json_).encode(),
        lambda json_: b"cdr=" + quote(json_).encode() + b"&other=1",
        lambda json_: b"cdr=" + json_,
        lambda json_: quote(json_).encode() + b"\n",
        lambda json_: b"cdr=" + base64.b64encode(json_),
        lambda json_: b"cdr=" + base64.b64encode(json_).replace(b"+", b" "),
        lambda json_: b"cdr=" + base64.b64encode(json_).rstrip(b"="),
        lambda json_: b"cdr=" + quote(base64.b64encode(json_), safe="").encode(),
        lambda json_: base64.b64encode(json_),
        lambda json_: b"\xef\xbb\xbf \r\n" + json_ + b"\r\n\0",
        lambda json_: b"\n cdr=\n" + json_,
        lambda json_: b"uuid=a_1&cdr=" + quote(json_).encode(),
    ],
    ids=range(12),
)
@pytest.mark.parametrize(
    "inner",
    [json.dumps, lambda d: encode_values(d).decode()],
    ids=["plain values", "encoded values"],
)
def test_every_encoding_of_a_record_gives_the_same_record(plain, wrapped, inner):
    # ">>>" makes "+" and "/" in base64.
    document = with_userfield(plain, '50% off >>>??? "naïve" +1 %41 \\n\n')

    cdr = decode(wrapped(inner(document).encode()))

    assert cdr == decode(json.dumps(document).encode())
    assert userfield(cdr) == '50% off >>>??? "naïve" +1 %41 \\n\n'


@pytest.mark.parametrize(
    "content_type",
    ["", "application/json", "application/x-www-form-urlencoded", "text/xml"],
)
@pytest.mark.parametrize("name", [PLAIN, FORM])
def test_the_content_type_and_the_query_change_nothing(sample, name, content_type):
    query = "token=x?uuid=a_104ac211-53b5-4ae4-a8e0-5ed2523d0049"

    item = decode(sample(name), content_type=content_type, query=query)

    assert item == decode(sample(name))
    assert isinstance(item, Cdr)


def test_a_literal_percent_survives_where_values_are_not_encoded(plain):
    document = with_userfield(plain, "50%25%20off")

    assert userfield(decode(json.dumps(document).encode())) == "50%25%20off"


def test_without_a_stamp_texts_without_escapes_are_read(plain):
    document = with_userfield(plain, "50% off")
    variables = document["variables"]
    document["variables"] = {k: v for k, v in variables.items() if "_stamp" not in k}

    assert userfield(decode(json.dumps(document).encode())) == "50% off"


def test_without_a_stamp_an_escape_is_not_guessed_about(plain):
    document = with_userfield(plain, "50%25%20off")
    variables = document["variables"]
    document["variables"] = {k: v for k, v in variables.items() if "_stamp" not in k}

    reason = refused(json.dumps(document).encode())

    assert reason.startswith("variables.userfield: percent-encoded or not?")


def test_a_value_that_is_no_utf8_once_decoded_is_named(plain):
    document = json.loads(encode_values(json.loads(plain)))
    document["variables"]["accountcode"] = "caf%E9"

    reason = refused(json.dumps(document).encode())

    assert reason == "variables.accountcode: not UTF-8 once percent-decoded"


def test_the_broken_default_encoding_is_kept_and_the_reason_says_what_to_set(sample):
    reason = refused(sample(BROKEN))

    assert "encode=false" in reason
    assert "encode-values=false" in reason
    assert "encode=base64" in reason


def test_a_key_that_stands_twice_is_not_believed(plain):
    body = plain.replace(b'"uuid":', b'"uuid":"forged","uuid":', 1)

    assert "the key 'uuid' stands twice" in refused(body)


def test_the_first_of_several_callflows_is_the_newest(plain):
    older = b',"callflow":{"caller_profile":{"destination_number":"9"}}}'

    cdr = decode(plain.rstrip()[:-1] + older)

    assert isinstance(cdr, Cdr)
    assert cdr.dialed.number == "442039702436"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "body: empty"),
        (b" \r\n\0", "body: empty"),
        (b"cdr=", "body: neither JSON, XML nor base64 after cdr="),
        (b"cdr=eyJhb", "body: neither JSON, XML nor base64 after cdr="),
        (b"cdr=hello", "body: neither JSON, XML nor base64 after cdr="),
        (b"hello", "body: neither JSON, XML nor a form with cdr="),
        (b'[{"a":1},2,3,4]', "body: a list: hand over one leg at a time"),
        (b"\x1f\x8b\x08,,,,", "body: compressed (gzip)"),
        (b"a=cdr=hello", "body: neither JSON, XML nor a form with cdr="),
        (b"<cdr/>", "variables: required"),
        (b"cdr=<?xml?>", "body: not well-formed XML (XML declaration"),
        (b"cdr=PD94bWw/Pg==", "body: not well-formed XML in base64 (XML declaration"),
        (b'{"a":"\xff"}', "body: not UTF-8 at byte 6 of the JSON"),
        (b'{"a":NaN}', "body: not valid JSON (NaN is not JSON)"),
        (b'{"a":' * 100_000, "body: JSON nested too deeply"),
        (b'{"a":' + b"9" * 5000, "body: not valid JSON"),
        (b'{"a":1} x', "body: not valid JSON (Extra data"),
        (b"cdr=%7B%22a%22", "body: percent-encoded JSON, cut off"),
        (b"cdr=eyJh", "body: not valid JSON in base64"),
        (b'{"a":1}', "variables: required"),
    ],
)
def test_what_cannot_be_read_is_kept_with_its_reason(body, reason):
    assert refused(body).startswith(reason)


def test_csv_is_known_for_what_it_is(sample):
    reason = refused(sample(CSV))

    assert reason.startswith("body: CSV (mod_cdr_csv): import it as a file")
