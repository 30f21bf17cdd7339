"""The calls that the payload tests render: rich, empty, hard to encode, documented."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from dispatcher.values import (
    Caller,
    CarriedCdr,
    Cdr,
    Contact,
    Dialer,
    DialerItem,
    Direction,
    Leg,
    Legs,
    Line,
    Named,
    Rating,
    Recording,
    Subscription,
    Summary,
    Window,
)

NIL: Final = "00000000-0000-0000-0000-000000000000"
CDR_ID: Final = UUID("01920000-0000-7000-8000-000000000002")
WEBHOOK_ID: Final = UUID("01920000-0000-7000-8000-000000000001")
STARTED: Final = dt.datetime(2024, 5, 29, 8, 37, 35, tzinfo=dt.UTC)

_RANG: Final = Leg(
    device=Line(number="user_******", name="(T42S) Test User"),
    user=Line(number="302", name="Test User"),
    agent=Line(number="302", name="Test User"),
)

# The example of dimensions.txt, as a CDR.
DOCUMENTED: Final = Cdr(
    uid=NIL,
    pbx=Named(id=NIL, name="BenDV1 - Dev - Ben"),
    time_zone="Europe/London",
    started_at=STARTED,
    ended_at=STARTED + dt.timedelta(seconds=10),
    duration=10,
    ring_duration=10,
    abandoned=True,
    hangup_cause="NORMAL_CLEARING",
    direction="inbound",
    call_type="external",
    caller=Caller(number="+447000000000", location="United Kingdom", country="GB"),
    dialed=Line(number="+441610000000"),
    legs=Legs(first_rang=_RANG, last_rang=_RANG),
    recordings=(Recording(id=NIL),),
    contacts=(
        Contact(
            directory=Named(id=NIL, name="My Global"),
            contact_id=NIL,
            full_name="Example Contact",
            company="Company",
            job_title="Job Title",
            email="Email Address",
            fields=(*(f"field{number}" for number in range(1, 10)), "301"),
        ),
    ),
    tags={"Support": "step1"},
)


def _leg(name: str) -> Leg:
    return Leg(
        device=Line(number=f"dev-{name}", name=f"Device {name}"),
        user=Line(number=f"20{len(name)}", name=f"User {name}"),
        agent=Line(number=f"30{len(name)}", name=f"Agent {name}"),
        group=f"Group {name}",
    )


# Every field known; the tests that count fields rely on it.
RICH: Final = Cdr(
    uid="call-1",
    call_id="fs-call-1",
    pbx=Named(id="pbx-1", name="Main"),
    time_zone="America/New_York",
    started_at=STARTED,
    answered_at=STARTED + dt.timedelta(seconds=4, microseconds=250000),
    ended_at=STARTED + dt.timedelta(seconds=64),
    duration=64,
    ring_duration=4,
    talk_duration=60,
    hold_duration=0,
    park_duration=0,
    billed_duration=60,
    direction="outbound",
    call_type="internal",
    disposition="answered",
    hangup_cause="NORMAL_CLEARING",
    hangup_cause_code=16,
    abandoned=False,
    abandoned_in_park=False,
    short_ring=False,
    short_call=True,
    trunk_to_trunk=False,
    caller=Caller(
        number="+12125550100",
        name="Front desk",
        location="New York",
        area="212",
        state="NY",
        country="US",
    ),
    dialed=Line(number="+12125550199", name="Sales"),
    legs=Legs(
        first_rang=_leg("a"),
        last_rang=_leg("bb"),
        answered=_leg("ccc"),
        last_answered=_leg("dddd"),
    ),
    route=Named(id="9", name="Via carrier"),
    recordings=(Recording(id="rec-1"), Recording(id="rec-2")),
    rating=Rating(cost=Decimal("0.0350"), band="Local", name="Standard"),
    user_type="User",
    sold_by_partner=True,
    dialer=Dialer(
        client_id=12,
        callrequest_id=77,
        campaign=DialerItem(id=3, name="Spring"),
        leg_type=1,
        phone_number="+12125550111",
        phonebooks=(DialerItem(id=5, name="North"), DialerItem(id=6, name="South")),
        gateway="gw-1",
        amd_status=1,
        incremental_duration=6,
    ),
    contacts=(
        Contact(
            directory=Named(id="dir-1", name="Customers"),
            contact_id="c-1",
            title="Dr",
            full_name="First Contact",
            company="Company",
            job_title="Buyer",
            phones=("+12125550101", None, "+12125550103", "+12125550104"),
            email="contact@example.com",
            crm_id="crm-1",
            fields=("one", None, "three"),
        ),
    ),
    tags={"Support": "step1", "vip": True, "score": 4.5, "path": ["ivr", 2]},
)

EMPTY: Final = Cdr(uid="call-2", started_at=STARTED)

# Whatever breaks an encoder: quotes, signs of URL and form, other scripts, control
# characters, known but empty lists.
HARD: Final = Cdr(
    uid="call-3",
    started_at=STARTED.astimezone(dt.timezone(dt.timedelta(hours=5, minutes=45))),
    caller=Caller(
        number="+9771", name='Zoë "Q" O\'Nil & Söhne = 100%', location="काठमाडौं"
    ),
    dialed=Line(number="", name="a+b c\\d\n\t\x01/?#[x]😀\u2028"),
    recordings=(),
    contacts=(),
    tags={'k"1[é]': "ü&=+", "none": None, "deep": {"list": [1, [], {}, None, "x y"]}},
    rating=Rating(cost=Decimal("0.0350")),
    dialer=Dialer(client_id="acme", callrequest_id="", phonebooks=(DialerItem(),)),
)

# The examples of thehub.txt, as CDRs: calls, and summaries of other calls.
_HUB: Final = "https://smsapi.thehubwork.com/api/cdr/call-recording"
_ONE, _OTHER = "+442031703746", "+442039702436"


def _hub_call(
    uid: str, minute: int, seconds: int, direction: Direction, duration: int
) -> CarriedCdr:
    inbound = direction == "inbound"
    cdr = Cdr(
        uid=uid,
        started_at=dt.datetime(2025, 9, 1, 12, tzinfo=dt.UTC)
        + dt.timedelta(minutes=minute, seconds=seconds),
        direction=direction,
        disposition="answered",
        caller=Caller(number=_ONE if inbound else _OTHER),
        dialed=Line(number=_OTHER if inbound else _ONE),
        duration=duration,
    )
    return carried(
        cdr, tenant_zone="Europe/London", recording_url=f"{_HUB}/{uid}?token=1234"
    )


def _hub_summary(uid: str, start: int, transcription: str, summary: str) -> CarriedCdr:
    cdr = Cdr(uid=uid, started_at=dt.datetime.fromtimestamp(start, dt.UTC))
    said = Summary(transcription=transcription, summary=summary)
    return carried(cdr, summary=said)


def hub_calls() -> list[CarriedCdr]:
    """The calls of the document's first example, the last one first."""
    return [
        _hub_call("pbx01-1756728656.923783", 181, 17, "inbound", 348),
        _hub_call("pbx01-1756728013.921580", 0, 12, "inbound", 348),
        _hub_call("pbx01-1756728615.921580", 120, 12, "outbound", 54),
    ]


def hub_summaries() -> list[CarriedCdr]:
    """The calls of the document's second example."""
    return [
        _hub_summary(
            "voip01-1770877300.19943444",
            1770877300,
            "No speech",
            "The call had no speech.",
        ),
        _hub_summary(
            "voip01-1770877720.19943491",
            1770877720,
            "No speech",
            "The call transcription contains no speech or content to summarize.",
        ),
        _hub_summary(
            "voip01-1770877892.19943581",
            1770877892,
            "Hello. Hello. This is sales call with my internal number.",
            "A sales call was initiated, and the caller identified themselves with an"
            " internal number.",
        ),
    ]


# A feed's window, and a call in it that came in as a record of Webex' own: every name
# of its reference, spelt as real records spell them, and one that is in none.
WINDOW: Final = Window(
    start=dt.datetime(2024, 5, 29, 8, 35, tzinfo=dt.UTC),
    end=dt.datetime(2024, 5, 29, 8, 40, tzinfo=dt.UTC),
    sequence=7,
)
_ORG: Final = "11111111-2222-3333-4444-555555555555"
WEBEX: Final = {
    "Start time": "2024-05-29T08:37:35.545Z",
    "Answer time": "2024-05-29T08:37:39.551Z",
    "Duration": 56,
    "Answered": "true",
    "Direction": "ORIGINATING",
    "Called line ID": "Sales",
    "Call ID": "SSE083735545290524-1@192.0.2.29",
    "Calling line ID": "Front desk",
    "Call type": "SIP_ENTERPRISE",
    "Client type": "WXC_CLIENT",
    "Client version": "1.0.2.3",
    "Correlation ID": "66666666-2222-3333-4444-555555555555",
    "International country": "GB",
    "Local SessionID": "82bb0000000000000000000000000001",
    "Device MAC": "00005E005301",
    "Inbound trunk": "Trunk in",
    "Org UUID": _ORG,
    "Original reason": "UserBusy",
    "OS type": "na",
    "Outbound trunk": "Trunk out",
    "Redirect reason": "Unavailable",
    "Related reason": "CallQueue",
    "Report ID": "77777777-2222-3333-4444-555555555555",
    "Report time": "2024-05-29T08:38:52.723Z",
    "Route group": "Group A",
    "Site main number": "+441632960000",
    "Site timezone": "60",
    "Sub client type": "MOBILE_NETWORK",
    "User UUID": "88888888-2222-3333-4444-555555555555",
    "User": "Front desk",
    "User type": "User",
    "Called number": "2002",
    "Calling number": "2001",
    "Location": "Main site",
    "Dialed digits": "2002",
    "Releasing party": "Remote",
    "Remote SessionID": "82bb0000000000000000000000000002",
    "Redirecting number": "+441632960001",
    "Site UUID": "99999999-2222-3333-4444-555555555555",
    "Department ID": "99999999-2222-3333-4444-555555555551",
    "Transfer related call ID": "2340586843:0A",
    "Authorization code": "107",
    "Model": "8851-3PCC",
    "Call transfer time": "2024-05-29T08:38:29.707Z",
    "User number": "+441632960002",
    "Local call ID": "113104021:0",
    "Remote call ID": "113103977:0",
    "Network call ID": "BW083735545290524-1@192.0.2.30",
    "Related call ID": "760583469:0",
    "Call outcome": "Success",
    "Call outcome reason": "Normal",
    "Answer indicator": "Yes-PostRedirection",
    "Ring duration": "4",
    "Release time": "2024-05-29T08:38:31.621Z",
    "Final local SessionID": "82bb0000000000000000000000000003",
    "Final remote SessionID": "82bb0000000000000000000000000004",
    "PSTN vendor name": "Vendor",
    "PSTN legal entity": "Entity",
    "PSTN vendor org ID": "99999999-2222-3333-4444-555555555552",
    "PSTN provider ID": "99999999-2222-3333-4444-555555555553",
    "External customer ID": "",
    "Redirecting party UUID": "99999999-2222-3333-4444-555555555554",
    "Public Calling IP Address": "NA",
    "Public Called IP Address": "NA",
    "Caller ID number": "2003",
    "External caller ID number": "2004",
    "Device owner UUID": "99999999-2222-3333-4444-555555555556",
    "Call Recording Platform Name": "Webex",
    "Call Recording Result": "successful",
    "Call Recording Trigger": "always",
    "Original called party UUID": "99999999-2222-3333-4444-555555555557",
    "Recall type": "",
    "Auto Attendant Key Pressed": "NA",
    "Queue type": "Call Queue",
    "Answered elsewhere": "",
    "Hold duration": 0,
    "Route list calls overage": "",
    "Caller Reputation Score": "4.5",
    "Caller Reputation Service Result": "allow",
    "Caller Reputation Score Reason": "known",
    "Interaction ID": "99999999-2222-3333-4444-555555555558",
    "WxCC consult merge status": "NA",
    "ELIN": "",
    "Emergency number source": "",
    "Transfer type": "",
    "Transfer type context": "",
    "Answer reason": "",
    "Name of tomorrow": ["kept", 0.0350],
}
WEBEX_OWN: Final = Cdr(
    uid="call-4", started_at=STARTED, direction="inbound", extra={"webex": WEBEX}
)

RECORDS: Final = {"documented": DOCUMENTED, "rich": RICH, "empty": EMPTY, "hard": HARD}


def carried(cdr: Cdr, **changes: Any) -> CarriedCdr:
    """The CDR as a delivery carries it, under a fixed id unless changed."""
    return CarriedCdr(**{"id": CDR_ID, "cdr": cdr, **changes})


def subscription(**changes: Any) -> Subscription:
    """A webhook that posts JSON, unless changed."""
    settings = {
        "webhook_id": WEBHOOK_ID,
        "tenant_external_id": "tenant-1",
        "method": "POST",
        "format": "json",
        **changes,
    }
    return Subscription(**settings)
