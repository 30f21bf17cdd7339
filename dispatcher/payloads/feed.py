"""The style of webex.txt: a window's calls of a whole partner, as Webex' own records.

Renders what one delivery of the feed carries, in the order given (end of the call, then
id), and names its window in headers, because the body is the document's `items` alone.
Which calls belong to a window is decided elsewhere. A delivery without a window is a
test call and names none.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from dispatcher.payloads import webex_record
from dispatcher.payloads.base import Style, encoded, up_to

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dispatcher.values import CarriedCdr, RenderedRequest, Subscription, Window

# A window with more calls is sent in several deliveries (PAYLOADS.md, feed).
MAX_ITEMS: Final = 5000

# One item of the feed, and of the records API, which answers in the same form.
item = webex_record.item


def render(
    subscription: Subscription, carried: Sequence[CarriedCdr], /
) -> RenderedRequest:
    """The request for one window's calls, or a part of them; ValueError for too many.

    None at all is an empty window.
    """
    items = [item(one) for one in up_to(MAX_ITEMS, carried)]
    rendered = encoded(subscription, {"items": items})
    if subscription.window is None:
        return rendered
    return replace(rendered, headers=_headers(subscription.window, len(items)))


def _headers(window: Window, count: int) -> dict[str, str]:
    headers = {
        "cdrhook-window-start": webex_record.utc_text(window.start),
        "cdrhook-window-end": webex_record.utc_text(window.end),
        "cdrhook-sequence": str(window.sequence),
        "cdrhook-count": str(count),
    }
    if window.late:
        headers["cdrhook-late"] = "1"
    return headers


STYLE: Final = Style(
    name="feed",
    owners=("partner",),
    methods=("POST",),
    formats=("json",),
    filters=False,
    custom_data=False,
    max_cdrs=MAX_ITEMS,
    bundles="clock",
    spark=True,
    render=render,
)
