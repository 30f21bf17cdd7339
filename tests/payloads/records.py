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
    Leg,
    Legs,
    Line,
    Named,
    Rating,
    Recording,
    Subscription,
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

RECORDS: Final = {"documented": DOCUMENTED, "rich": RICH, "empty": EMPTY, "hard": HARD}


def carried(cdr: Cdr) -> CarriedCdr:
    """The CDR as a delivery carries it, under a fixed id."""
    return CarriedCdr(id=CDR_ID, cdr=cdr)


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
