"""The flat style, one call a payload in 19 fields: a dialer's calls and FreeSWITCH's."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Final

from cdrhook.demo.calls import THEIRS, Call, posted, reported
from cdrhook.demo.plays.base import EVERYBODY, TENANT, UNSHORTENED, Play
from cdrhook.demo.records import template_of

if TYPE_CHECKING:
    import datetime as dt

    from cdrhook.receiver import Received

SHOWN: Final = (
    "callerid",
    "phone_number",
    "campaign_name",
    "hangup_cause",
    "billed_duration",
    "cost",
)


def call(number: int, now: dt.datetime) -> Call:
    """A dialer's call and one of FreeSWITCH, which knows of no campaign, in turn."""
    if number % 2 == 0:
        return reported(template_of(number), number, now, TENANT)
    return posted(
        number,
        now,
        TENANT,
        "of a dialer",
        direction="outbound",
        call_type="external",
        disposition="answered",
        hangup_cause="NORMAL_CLEARING",
        hangup_cause_code=16,
        billed_duration=60,
        rating={"cost": "0.0350"},
        dialer={
            "client_id": 104,
            "callrequest_id": 1000 + number,
            "campaign": {"id": 33, "name": "Renewals"},
            "leg_type": 1,
            "phone_number": f"{THEIRS}{number % 1000:03}",
            "phonebooks": [{"id": 7, "name": "Customers"}],
            "gateway": "gateway-1",
            "amd_status": 2,
            "incremental_duration": 60,
        },
    )


def tell(received: Received) -> list[str]:
    """Some of the fields, and the header that newfies.txt authenticates by."""
    fields = json.loads(received.body)
    shown = "  ".join(f"{name} {json.dumps(fields[name])}" for name in SHOWN)
    key = received.headers.get("x-api-key", "-")
    return [f"x-api-key {key}  {len(fields)} fields, among them", shown]


def options() -> tuple[str, ...]:
    """A key of its own for each receiver."""
    return ("--header", f"x-api-key=demo-{secrets.token_hex(6)}")


PLAY: Final = Play(
    style="flat",
    clocks=("No clock is shortened.", UNSHORTENED),
    call=call,
    tell=tell,
    sees=EVERYBODY,
    options=options,
)
