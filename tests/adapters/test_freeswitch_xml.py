"""The XML of mod_xml_cdr and mod_format_cdr: the same call, and nothing unsafe."""

from __future__ import annotations

import base64
import json
import time
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import pytest

from dispatcher.adapters.base import Read, Undecodable
from dispatcher.adapters.freeswitch import FreeSwitch
from dispatcher.values import Cdr
from tests.adapters.freeswitch_documents import as_xml

FORM = "mod_xml_cdr_form_urlencoded.body"
# The same leg as FORM, recorded from mod_format_cdr beside it.
JSON = "mod_format_cdr_appljson_answered_aleg.body"
BILLION_LAUGHS = b"""<?xml version="1.0"?>
<!DOCTYPE cdr [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;">]>
<cdr><variables><uuid>&d;</uuid></variables></cdr>"""
FILE_ENTITY = b"""<!DOCTYPE cdr [<!ENTITY a SYSTEM "file:///etc/passwd">]>
<cdr><variables><uuid>&a;</uuid></variables></cdr>"""
MARKUP = "body: XML with markup that FreeSWITCH does not write"


def decode(body: bytes, **request: Any) -> Cdr | Undecodable:
    [item] = FreeSwitch().decode(body, **request)
    return item.cdr if isinstance(item, Read) else item


def refused(body: bytes) -> str:
    item = decode(body)
    assert isinstance(item, Undecodable)
    assert item.body == body
    return item.reason


@pytest.fixture
def xml(sample):
    return unquote_to_bytes(sample(FORM)).removeprefix(b"cdr=")


@pytest.fixture
def document(sample):
    return json.loads(sample(JSON))


def test_a_leg_that_was_recorded_as_xml_and_as_json_is_the_same_record(sample):
    assert decode(sample(FORM)) == decode(sample(JSON))
    assert isinstance(decode(sample(FORM)), Cdr)


def test_a_document_is_the_same_record_rendered_both_ways(document):
    document["variables"] |= {
        "userfield": 'ARRAY::50% off|:>>> "naïve" +1 & <b>',
        "originating_leg_uuid": "104ac211",
        "sip_user_agent": "Ünal/1.0 李明",
    }
    document["callflow"][0]["caller_profile"] |= {
        "caller_id_name": 'O\'Brien & "Söhne" <x> \t%41 😀 \x07',
        "originator": {"originator_caller_profiles": []},
    }
    first = {"caller_profile": {"destination_number": "442039702436"}}
    document["callflow"].append(first)

    from_xml = decode(as_xml(document))

    assert isinstance(from_xml, Cdr)
    assert from_xml == decode(json.dumps(document).encode())
    assert from_xml.caller.name == 'O\'Brien & "Söhne" <x> \t%41 😀 \ufffd'


@pytest.mark.parametrize(
    "encoded",
    [
        lambda xml: xml,
        lambda xml: b"cdr=" + xml,
        lambda xml: b"cdr=" + quote(xml).encode(),
        lambda xml: b"cdr=" + base64.b64encode(xml),
        lambda xml: b"cdr=" + base64.b64encode(xml).replace(b"+", b" ").rstrip(b"="),
        lambda xml: base64.b64encode(xml) + b"\n",
        lambda xml: quote(xml).encode() + b"\n",
        lambda xml: b"\xef\xbb\xbf\r\n" + xml + b"\r\n\0",
    ],
    ids=["textxml", "plaintext", "true", "base64", "b64 in a form", "5", "file", "bom"],
)
def test_every_encoding_of_the_xml_gives_the_same_record(sample, xml, encoded):
    assert decode(encoded(xml)) == decode(sample(FORM))


@pytest.mark.parametrize("content_type", ["", "application/json", "text/xml"])
def test_the_content_type_and_the_prefix_in_the_query_change_nothing(
    sample, content_type
):
    query = "uuid=a_104ac211-53b5-4ae4-a8e0-5ed2523d0049"

    item = decode(sample(FORM), content_type=content_type, query=query)

    assert item == decode(sample(FORM))


def test_variables_are_decoded_where_no_stamp_tells_that_they_are_encoded(document):
    variables = document["variables"]
    document["variables"] = {k: v for k, v in variables.items() if "_stamp" not in k}
    document["variables"]["userfield"] = "50%25%20off"

    cdr = decode(as_xml(document))

    assert isinstance(cdr, Cdr)
    assert cdr.extra is not None
    assert cdr.extra["freeswitch"]["userfield"] == "50%25%20off"


@pytest.mark.parametrize(
    "name",
    [
        b"nolocal:x",
        b"1",
        b"set api_hangup_hook",
        b"^^,default_language",
        b" a",
        b"a/b",
        b"?",
    ],
)
def test_a_variable_whose_name_xml_does_not_know_costs_only_itself(xml, name):
    odd = b"<variables><" + name + b">x%20y</" + name + b">"

    item = decode(xml.replace(b"<variables>", odd))

    assert isinstance(item, Cdr) is (name != b"?")
    assert name == b"?" or item == decode(xml)


def test_control_characters_that_xml_cannot_hold_cost_only_themselves(xml):
    cdr = decode(xml.replace(b"<caller_id_name>Alice", b"<caller_id_name>Al\x1bce"))

    assert isinstance(cdr, Cdr)
    assert cdr.caller.name == 'Al\ufffdce "A" Ünal & Co'


def test_a_name_that_breaks_out_of_its_element_is_not_believed(xml):
    # What FreeSWITCH leaves as it is behind `<!` in a text.
    forged = b"""<!-- --></caller_id_name></caller_profile></callflow>
    <variables><uuid>forged</uuid></variables><callflow><caller_profile><x>"""

    assert refused(xml.replace(b"Alice", forged, 1)).startswith(MARKUP)


@pytest.mark.parametrize(
    "body",
    [
        BILLION_LAUGHS,
        FILE_ENTITY,
        b"<!DOCTYPE cdr><cdr/>",
        b"<cdr><![CDATA[x]]></cdr>",
        b"<cdr><!-- x --></cdr>",
        b"<cdr><?x y?></cdr>",
    ],
    ids=range(6),
)
def test_markup_that_could_do_harm_is_refused(body):
    assert refused(body).startswith(MARKUP)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<feed/>", "body: XML of another kind: <feed>, not <cdr>"),
        (b"<cdr>&nbsp;</cdr>", "body: not well-formed XML (undefined entity"),
        (b"<cdr><a></cdr>", "body: not well-formed XML (mismatched tag"),
        (b"<cdr>\xff</cdr>", "body: not well-formed XML (not well-formed"),
        (b"<cdr>", "body: not well-formed XML (no element found"),
        (b'<?xml version="1.0" encoding="x"?><cdr/>', "body: XML in an encoding"),
        (b"cdr=%3Ccdr%3E%3Ca%3E", "body: percent-encoded XML, cut off"),
        (b"<cdr><variables/><variables/></cdr>", "body: the element 'variables' st"),
        (
            b"<cdr><callflow><caller_profile><ani/><ani/></caller_profile></callflow></cdr>",
            "body: the element 'ani' stands twice",
        ),
        (
            b"<cdr><variables><uuid>1</uuid><uuid>2</uuid></variables></cdr>",
            "variables.uuid: stands there more than once",
        ),
    ],
)
def test_what_cannot_be_read_is_kept_with_its_reason(body, reason):
    assert refused(body).startswith(reason)


def test_xml_of_an_old_release_that_lost_its_quoting_says_what_to_set(xml):
    once = unquote_to_bytes(xml)

    reason = refused(b"cdr=" + quote(once).encode())

    assert "before 1.6" in reason
    assert "set encode=textxml or encode=base64" in reason


@pytest.mark.parametrize(
    "body",
    [
        BILLION_LAUGHS,
        b"<cdr>" * 20_000,
        b"<cdr><variables>" + b"<a>b</a>" * 12_500,
        b"<" * 100_000,
        b"<1>" * 33_000,
        b"<cdr a='" + b"&#9;" * 25_000,
        b"<cdr><variables><a>" + b"&amp;" * 20_000,
    ],
    ids=range(7),
)
def test_100_kb_of_hostile_xml_are_answered_within_100_ms(body):
    fastest = min(_seconds(body) for _ in range(5))

    assert fastest < 0.1


def _seconds(body: bytes) -> float:
    began = time.thread_time()
    decode(body)
    return time.thread_time() - began


def test_names_in_other_scripts_survive_the_byte_that_freeswitch_reserves_too_little(
    document,
):
    # mod_json_cdr's encode-values: the last escape of a text of nothing but escapes.
    document["variables"]["userfield"] = quote("Ελένη")[:-3]
    document["variables"]["start_stamp"] = "2026-11-23%2000%3A15%3A23"

    cdr = decode(json.dumps(document).encode())

    assert isinstance(cdr, Cdr)
    assert cdr.extra is not None
    assert cdr.extra["freeswitch"]["userfield"] == "Ελέν\ufffd"
