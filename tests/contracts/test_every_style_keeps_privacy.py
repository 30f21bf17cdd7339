"""With masking, no style's request holds a number of the call, whatever the style."""

import dataclasses
import json
import re
from urllib.parse import unquote_plus
from uuid import UUID

import pytest

from dispatcher.payloads.registry import STYLES, style
from dispatcher.privacy.allow import allowed_of, only_allowed
from dispatcher.privacy.mask import masked
from dispatcher.privacy.numbers import pattern_of
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
    Subscription,
    Summary,
)
from tests.payloads.records import RICH, WEBEX, WINDOW, carried

MASKS = (Masking(mask="digits"), Masking(mask="hash", key="a key"))
# Each in a form of its own; canonical: the digits behind the first +.
NUMBERS = {
    "caller": "+44 20 3170 3746",
    "dialed": "+441632960011",
    "device": "sip:441632960022@192.0.2.1;user=phone",
    "user": "00441632960033",
    "agent": "+44 (0)1632 960044",
    "dialer": "441632960055",
    "contact": "+44-1632-960066",
    "redirecting": "+441632960077",
}
CANONICAL = [
    *("442031703746", "441632960011", "441632960022", "441632960033"),
    *("441632960044", "441632960055", "441632960066", "441632960077"),
]
COMBINATIONS = [
    (name, method, form, masking)
    for name, entry in STYLES.items()
    for method in entry.methods
    for form in entry.formats
    for masking in MASKS
]


def _leg():
    kinds = ("device", "user", "agent")
    return Leg(
        **{kind: Line(number=NUMBERS[kind], name=NUMBERS[kind]) for kind in kinds},
        group=f"hunt {NUMBERS['dialed']}",
    )


def _call():
    """A call with its numbers wherever a PBX may put them, as it has them or not."""
    return dataclasses.replace(
        RICH,
        call_id="cid-442031703746",
        caller=Caller(number=NUMBERS["caller"], name="02031703746", location="UK"),
        dialed=Line(number=NUMBERS["dialed"], name="0044 1632 960011"),
        legs=Legs(first_rang=_leg(), last_rang=_leg(), answered=_leg()),
        route=Named(id="441632960011", name="to +44 1632-960011"),
        recordings=(Recording(id="rec/442031703746-01632960011.wav"),),
        dialer=Dialer(
            phone_number=NUMBERS["dialer"],
            client_id=441632960055,
            callrequest_id="441632960055",
            gateway="gw/441632960011",
        ),
        contacts=(
            Contact(
                phones=(NUMBERS["contact"],),
                crm_id="crm-441632960066",
                fields=("01632 960066",),
            ),
        ),
        tags={"441632960011": ["0044 (1632) 960011", 441632960011]},
        extra={
            "sip": NUMBERS["redirecting"],
            "webex": {
                **WEBEX,
                "Redirecting number": NUMBERS["redirecting"],
                "Called line ID": NUMBERS["dialed"],
                "Call ID": "BW-441632960077@192.0.2.30",
                "Of tomorrow": {"numbers": [NUMBERS["redirecting"], 441632960077]},
            },
        },
    )


def _request(name, method, form, one, **settings):
    subscription = Subscription(
        webhook_id=UUID(int=1),
        tenant_external_id="t",
        method=method,
        format=form,
        window=WINDOW if style(name).bundles == "clock" else None,
        **settings,
    )
    return style(name).render(subscription, [one])


def _leaks(request):
    """Numbers that the request holds in any form: as they are, decoded, by their digits."""
    sent = request.body.decode() + repr(request.headers)
    read = unquote_plus(sent)
    digits = re.sub('[^0-9x"=&]', "", read)
    return [
        number
        for number in CANONICAL
        if pattern_of(number).search(sent)
        or pattern_of(number).search(read)
        # Without its country code, whatever stands between its digits.
        or number[2:] in digits
    ]


@pytest.mark.parametrize(("name", "method", "form", "masking"), COMBINATIONS)
def test_a_masked_request_holds_no_number_of_the_call(name, method, form, masking):
    one = carried(_call())
    plain = _request(name, method, form, one)

    assert len(_leaks(plain)) >= 2
    assert _leaks(_request(name, method, form, masked(one, masking))) == []


@pytest.mark.parametrize("masking", MASKS)
def test_a_masked_call_summary_holds_no_number_of_the_call(masking):
    said = Summary(
        transcription="Hello, from 020 3170 3746 to 00441632960011.",
        summary="A caller on +44 20 3170 3746.",
    )
    one = carried(_call(), summary=said)

    assert _leaks(_request("batch", "POST", "json", one))
    assert _leaks(_request("batch", "POST", "json", masked(one, masking))) == []


@pytest.mark.parametrize(("name", "method", "form", "masking"), COMBINATIONS)
def test_a_masked_request_has_the_shape_of_any_other(name, method, form, masking):
    one = carried(dataclasses.replace(_call(), extra=None, tags=None))
    plain = _request(name, method, form, one)
    hidden = _request(name, method, form, masked(one, masking))

    assert hidden.content_type == plain.content_type
    assert _keys(hidden) == _keys(plain)


@pytest.mark.parametrize(("name", "method", "form", "masking"), COMBINATIONS)
def test_a_request_shows_only_the_properties_that_are_allowed(
    name, method, form, masking
):
    allowed = allowed_of(("dur", "direction"))
    one = only_allowed(carried(_call()), allowed)
    request = _request(name, method, form, one, shown=allowed.shown)

    assert _leaks(dataclasses.replace(request, body=_without_uid(request))) == []
    assert b"Sales" not in request.body
    assert one.cdr.uid.encode() in request.body


def _without_uid(request):
    return request.body.replace(RICH.uid.encode(), b"")


def _keys(request):
    if request.content_type != "application/json":
        pairs = request.body.decode().split("&")
        return [pair.partition("=")[0] for pair in pairs]
    return re.findall(r'"[^"]*":', json.dumps(json.loads(request.body)))
