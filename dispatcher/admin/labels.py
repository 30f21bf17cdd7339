"""Coloured labels: the words for states, and which colour each has. HTML-safe."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from django.utils.html import format_html

from dispatcher.admin.moments import window_text
from dispatcher.models import OwedCdr

if TYPE_CHECKING:
    from django.utils.safestring import SafeString

    from dispatcher.models import Delivery, Webhook

HELD: Final = "held"

_COLOURS: Final = MappingProxyType(
    {
        "delivered": "good",
        "OK": "good",
        "fast": "plain",
        "pending": "info",
        "RECOVERING": "info",
        HELD: "warn",
        "slow": "warn",
        "failed": "bad",
        "DOWN": "bad",
        "cancelled": "plain",
    }
)


def label(text: str, colour: str = "") -> SafeString:
    """`text` in the colour of that state, or in `colour` (good, info, warn, bad)."""
    chosen = colour or _COLOURS.get(text, "plain")
    return format_html('<span class="cdr-label cdr-{}">{}</span>', chosen, text)


def shown_state(delivery: Delivery) -> str:
    """The state, or `held`: pending while its webhook is off, or DOWN and set to hold."""
    if delivery.state == delivery.PENDING and delivery.webhook.holds:
        return HELD
    return delivery.state


def why_held(webhook: Webhook) -> str:
    """The reason why its pending deliveries wait, as a sentence."""
    if not webhook.active:
        return "Its webhook is switched off; it is sent when that is active again."
    return "Its webhook is DOWN; it is sent when that answers a probe, or is the probe."


def contents_of(delivery: Delivery) -> str:
    """What it carries beside single calls: a feed's window, or call summaries.

    `window 16:50 to 16:55 UTC, no. 12, late`; "" where there is nothing to say.
    """
    parts = ["call summaries"] if delivery.kind == OwedCdr.CALL_SUMMARY else []
    if delivery.window_start is not None and delivery.window_end is not None:
        parts.append(window_text(delivery.window_start, delivery.window_end))
        parts.append(f"no. {delivery.sequence}")
    if delivery.late:
        parts.append("late")
    return ", ".join(parts)


def owner_name(webhook: Webhook) -> str:
    """The tenant's external id, or the partner's name, that a webhook belongs to."""
    return str(webhook.tenant if webhook.tenant_id else webhook.partner)


def host_of(url: str) -> str:
    """The host of a URL for a narrow column; the whole text where there is none."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2] or url
    except ValueError:
        return url
