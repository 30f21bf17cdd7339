"""A call as the demo hands it over: by FreeSWITCH's own record, or posted as JSON.

Sends nothing.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode
from uuid import uuid4

from cdrhook.demo.records import fresh

if TYPE_CHECKING:
    from cdrhook.demo.records import Template

# Ofcom keeps these for drama: 020 7946 0000 to 0999 and 01632 960000 to 960999.
OURS: Final = "+442079460"
THEIRS: Final = "+441632960"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that hands one call of `tenant` over; `title` is the line to show."""

    uid: str
    tenant: str
    path: str
    body: bytes
    content_type: str
    title: str


def reported(
    template: Template, number: int, ended_at: dt.datetime, tenant: str
) -> Call:
    """What FreeSWITCH sends at the end of a call; `number` varies the caller."""
    record = fresh(template, number, ended_at, uuid4)
    return Call(
        uid=record.uuid,
        tenant=tenant,
        path=f"/ingest/freeswitch/{tenant}?uuid={record.uuid}",
        body=record.body,
        content_type=record.content_type,
        title=f"FreeSWITCH reports a call ({record.title})",
    )


def posted(
    number: int, ended_at: dt.datetime, tenant: str, title: str, **values: Any
) -> Call:
    """A call of some seconds, as POST /api/v1/cdrs takes it; `values` are its own."""
    uid = str(uuid4())
    seconds = 3 + number * 7 % 20
    record = {
        "uid": uid,
        "started_at": (ended_at - dt.timedelta(seconds=seconds)).isoformat(),
        "ended_at": ended_at.isoformat(),
        "duration": seconds,
        "caller": {"number": f"{OURS}{number % 1000:03}"},
        "dialed": {"number": f"{THEIRS}{number % 1000:03}"},
        **values,
    }
    return Call(
        uid=uid,
        tenant=tenant,
        path=f"/api/v1/cdrs?{urlencode({'tenant': tenant})}",
        body=json.dumps(record).encode(),
        content_type="application/json",
        title=f"a call is posted to /api/v1/cdrs ({title})",
    )
