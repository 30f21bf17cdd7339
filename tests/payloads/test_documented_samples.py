"""What dimensions.txt says of every field, held against what is sent of a rich call."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from itertools import product
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest

from dispatcher.adapters import cdr_json
from dispatcher.payloads.envelope import render
from dispatcher.values import Contact
from tests.payloads.records import DOCUMENTED, NIL, RICH, carried, subscription

if TYPE_CHECKING:
    from collections.abc import Callable

# The table of the CDR data, in its order, spelt as in the example where they differ.
CDR_TABLE = {
    "id": "text",
    "dType": "text",
    "sVer": "whole",
    "pbxId": "text",
    "pbxName": "text",
    "tz": "text",
    "start": "time",
    "answer": "time",
    "end": "time",
    "dur": "whole",
    "ring": "whole",
    "talk": "whole",
    "hold": "whole",
    "park": "whole",
    "lost": "flag",
    "lostinPark": "flag",
    "aban": "flag",
    "ans": "flag",
    "short": "flag",
    "cause": "text",
    "dir": "whole",
    "type": "whole",
    "t2t": "flag",
    "cliNum": "number",
    "cliName": "text",
    "cliLoc": "text",
    "cliArea": "text",
    "cliState": "text",
    "cliCtry": "text",
    "ddiNum": "number",
    "ddiName": "text",
    **{
        f"{leg}{party}{part}": "text"
        for party, leg, part in product(
            ("Dev", "Usr", "Agt"), ("fRng", "lRng", "ans", "lAns"), ("Num", "Name")
        )
    },
    "rteID": "text",
    "rteName": "text",
    "fRngGroupName": "text",
    "lRngGroupName": "text",
    "ansGroupName": "text",
    "hasRec": "flag",
    "rate": "flag",
    "rateCost": "double",
    "rateBand": "text",
    "rateName": "text",
    "recordingIds": "texts",
    "directoryMatches": "objects",
    "tags": "object",
}
# The table of a contact directory item, in its order.
CONTACT_TABLE = (
    "title",
    "fullName",
    "companyName",
    "jobTitle",
    *(f"phone{number}" for number in range(1, 5)),
    "email",
    "crmId",
    *(f"field{number}" for number in range(1, 11)),
)
# The example's call, as a PBX hands it over.
RANG = {
    "device": {"number": "user_******", "name": "(T42S) Test User"},
    "user": {"number": "302", "name": "Test User"},
    "agent": {"number": "302", "name": "Test User"},
}
RECORD = {
    "uid": NIL,
    "pbx": {"id": NIL, "name": "BenDV1 - Dev - Ben"},
    "time_zone": "Europe/London",
    "started_at": "2024-05-29T08:37:35Z",
    "ended_at": "2024-05-29T08:37:45Z",
    "duration": 10,
    "ring_duration": 10,
    "abandoned": True,
    "hangup_cause": "NORMAL_CLEARING",
    "direction": "inbound",
    "call_type": "external",
    "caller": {
        "number": "+447000000000",
        "location": "United Kingdom",
        "country": "GB",
    },
    "dialed": {"number": "+441610000000"},
    "legs": {"first_rang": RANG, "last_rang": RANG},
    "recordings": [{"id": NIL}],
    "contacts": [
        {
            "directory": {"id": NIL, "name": "My Global"},
            "contact_id": NIL,
            "full_name": "Example Contact",
            "company": "Company",
            "job_title": "Job Title",
            "email": "Email Address",
            "fields": [*(f"field{number}" for number in range(1, 10)), "301"],
        }
    ],
    "tags": {"Support": "step1"},
}


# Whether a value that was read from JSON is of that kind; True is no number.
IS_OF: dict[str, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str),
    "number": lambda value: value[0] == "+" and value[1:].isdigit(),
    "time": lambda value: dt.datetime.fromisoformat(value).tzinfo is not None,
    "flag": lambda value: type(value) is int and value in (0, 1),
    "whole": lambda value: type(value) is int,
    "double": lambda value: type(value) is float,
    "texts": lambda value: {type(text) for text in value} == {str},
    "objects": lambda value: {type(entry) for entry in value} == {dict},
    "object": lambda value: type(value) is dict,
}


def body_of(cdr: Any, **settings: Any) -> bytes:
    webhook = subscription(custom_data={"hook": "post call"}, **settings)
    return render(webhook, [carried(cdr)]).body


def flattened(name: str, value: Any) -> list[tuple[str, Any]]:
    """What bracket notation makes of a value that was read from JSON as text."""
    if isinstance(value, dict):
        nested = [(f"{name}[{key}]" if name else key, value[key]) for key in value]
    elif isinstance(value, list):
        nested = [(f"{name}[{index}]", each) for index, each in enumerate(value)]
    else:
        return [(name, value)]
    return [pair for inner, each in nested for pair in flattened(inner, each)]


def test_the_whole_table_is_sent_in_its_order():
    sent = json.loads(body_of(RICH))

    assert list(sent) == ["triggerId", "id", "tenantId", "cdr", "customData"]
    assert list(sent["cdr"]) == list(CDR_TABLE)


@pytest.mark.parametrize("name", CDR_TABLE)
def test_a_field_has_the_type_that_the_document_says(name):
    sent = json.loads(body_of(RICH))["cdr"][name]

    assert IS_OF[CDR_TABLE[name]](sent), sent


def test_a_contact_has_every_key_of_its_table_as_text():
    texts = [f"text {number}" for number in range(10)]
    contact = Contact(
        title="Dr",
        full_name="Contact",
        company="Company",
        job_title="Buyer",
        phones=("+441632960001", "+441632960002", "+441632960003", "+441632960004"),
        email="contact@example.com",
        crm_id="crm-1",
        fields=tuple(texts),
    )

    sent = json.loads(body_of(dataclasses.replace(RICH, contacts=(contact,))))

    (match,) = sent["cdr"]["directoryMatches"]
    assert tuple(match["fields"]) == CONTACT_TABLE
    assert {type(value) for value in match["fields"].values()} == {str}


def test_the_record_as_it_is_handed_in_gives_the_call_of_the_example():
    assert cdr_json.parse(json.dumps(RECORD).encode()) == DOCUMENTED


@pytest.mark.parametrize("cdr", [DOCUMENTED, RICH], ids=["documented", "rich"])
@pytest.mark.parametrize(
    ("method", "form"), [("POST", "form"), ("PUT", "form"), ("GET", "json")]
)
def test_form_data_and_the_query_say_what_the_json_says(cdr, method, form):
    as_json = json.loads(body_of(cdr), parse_int=str, parse_float=str)

    encoded = body_of(cdr, method=method, format=form).decode()

    expected = [
        (name, "1" if value is True else value)
        for name, value in flattened("", as_json)
    ]
    assert parse_qsl(encoded, keep_blank_values=True) == expected


def test_put_sends_the_same_json_as_post():
    assert body_of(RICH, method="PUT") == body_of(RICH)
