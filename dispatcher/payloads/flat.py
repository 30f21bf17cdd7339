"""The style of newfies.txt: one call as 19 fields, always all of them.

Decided where the document is silent (PAYLOADS.md, flat): what is unknown is `""`, `[]`
or `null` by the field's type; form data has neither `[]` nor `null`, so there such a
field is present and empty (`list_phonebook_id=`). Ids that the document calls numbers
are sent as numbers when they are whole numbers, and otherwise as the text that came,
because an id of the wrong type is worth more than none.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from dispatcher.cdr_fields import FIELDS, in_zone
from dispatcher.payloads.base import Style, encoded, only
from dispatcher.values import (
    CarriedCdr,
    Cdr,
    Dialer,
    DialerItem,
    RenderedRequest,
    Subscription,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

# No leading zero: "007" is a name that happens to be digits, and 7 another one.
_WHOLE_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_cost: Final = FIELDS["rateCost"].read
_NO_CAMPAIGN: Final = DialerItem()

KEYS: Final = (
    "client_id",
    "cdr_id",
    "callerid",
    "callrequest_id",
    "call_id",
    "campaign_id",
    "campaign_name",
    "leg_type",
    "phone_number",
    "list_phonebook_id",
    "list_phonebook_name",
    "gateway",
    "amd_status",
    "hangup_cause_code",
    "hangup_cause",
    "cost",
    "billed_duration",
    "incremental_duration",
    "call_date",
)


def fields(carried: CarriedCdr) -> dict[str, Any]:
    """The 19 fields of one call, in the document's order, as JSON has them.

    Also what `GET /rest-api/cdr/<id>` answers, `id` being `cdr_id`.
    """
    cdr = carried.cdr
    values = (
        _number(cdr.dialer.client_id),
        str(carried.id),
        _text(cdr.caller.number),
        _text(cdr.dialer.callrequest_id),
        cdr.call_id or cdr.uid,
        *_dialing(cdr.dialer, cdr),
        cdr.hangup_cause_code,
        _text(cdr.hangup_cause),
        _cost(cdr),
        _billed_duration(cdr),
        cdr.dialer.incremental_duration,
        in_zone(cdr, cdr.started_at),
    )
    return dict(zip(KEYS, values, strict=True))


def render(
    subscription: Subscription, carried: Sequence[CarriedCdr], /
) -> RenderedRequest:
    """The request for one call; ValueError unless exactly one is carried.

    Custom data follows the 19 fields and replaces none of them.
    """
    payload = fields(only(carried))
    for key, value in subscription.custom_data.items():
        payload.setdefault(key, value)
    form_payload = {key: _in_form(value) for key, value in payload.items()}
    return encoded(subscription, payload, form_payload)


def _dialing(dialer: Dialer, cdr: Cdr) -> tuple[Any, ...]:
    """From `campaign_id` to `amd_status`: what only a dialer knows."""
    campaign = dialer.campaign or _NO_CAMPAIGN
    return (
        _number(campaign.id),
        _text(campaign.name),
        _number(dialer.leg_type),
        dialer.phone_number or _text(cdr.dialed.number),
        [_number(book.id) for book in dialer.phonebooks],
        [_text(book.name) for book in dialer.phonebooks],
        _text(dialer.gateway),
        _number(dialer.amd_status),
    )


def _billed_duration(cdr: Cdr) -> int | None:
    billed = cdr.billed_duration
    return cdr.talk_duration if billed is None else billed


def _text(value: int | str | None) -> str:
    return "" if value is None else str(value)


def _number(value: int | str | None) -> int | str | None:
    if isinstance(value, str):
        if not value:
            return None
        return int(value) if _WHOLE_NUMBER.fullmatch(value) else value
    return value


def _in_form(value: Any) -> Any:
    """`value` where form data keeps the name of what is unknown."""
    if isinstance(value, list):
        return [_in_form(entry) for entry in value] or ""
    return "" if value is None else value


STYLE: Final = Style(
    name="flat",
    owners=("tenant", "partner"),
    methods=("POST",),
    formats=("json", "form"),
    filters=True,
    custom_data=True,
    max_cdrs=1,
    render=render,
    own_keys=frozenset(KEYS),
)
