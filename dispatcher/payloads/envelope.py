"""The style of dimensions.txt: one call in an envelope that names trigger and tenant.

Sends what is known of a call and leaves out the rest. Chooses no calls: which of them
a webhook gets is for the filters to say.

Decided where the document is silent or contradicts itself (PAYLOADS.md, envelope):
`triggerId`, `directoryMatches` and `tags` are spelt and shaped as in its example, but
`lRngDevName` as in its table. A known empty list or object is sent in JSON (form data
has none); contacts and tags carry their own content as it came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dispatcher import cdr_fields
from dispatcher.payloads.base import Style, encoded, only

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dispatcher.values import CarriedCdr, Cdr, RenderedRequest, Subscription

_READERS: Final = tuple(
    (entry.name, entry.read) for entry in cdr_fields.FIELDS.values()
)


# Without them nobody could tell what it is, and of which call.
ALWAYS: Final = frozenset({"id", "dType", "sVer"})


def cdr_payload(cdr: Cdr, shown: frozenset[str] | None = None) -> dict[str, Any]:
    """The `cdr` part: every known field by its name, in the document's order.

    With `shown`, of these and the three that there always are.
    """
    return {
        name: value
        for name, read in _READERS
        if (shown is None or name in shown or name in ALWAYS)
        and (value := read(cdr)) is not None
    }


def payload(subscription: Subscription, cdr: Cdr) -> dict[str, Any]:
    """The whole envelope; `id` and `tenantId` are both the tenant's external id."""
    body = {
        "triggerId": str(subscription.webhook_id),
        "id": subscription.tenant_external_id,
        "tenantId": subscription.tenant_external_id,
        "cdr": cdr_payload(cdr, subscription.shown),
    }
    if subscription.custom_data:
        body["customData"] = subscription.custom_data
    return body


def render(
    subscription: Subscription, carried: Sequence[CarriedCdr], /
) -> RenderedRequest:
    """The request for one call; ValueError unless exactly one is carried."""
    return encoded(subscription, payload(subscription, only(carried).cdr))


STYLE: Final = Style(
    name="envelope",
    owners=("tenant", "partner"),
    methods=("GET", "POST", "PUT"),
    formats=("json", "form"),
    filters=True,
    custom_data=True,
    max_cdrs=1,
    render=render,
)
