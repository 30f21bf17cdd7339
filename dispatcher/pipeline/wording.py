"""What notices say, of a webhook or of a source: a subject, a paragraph, an event.

Sends nothing, and reads only what belongs to a notice.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dispatcher.models import Notice, Source, Webhook

# One, and many of a kind.
_WORDS: Final = MappingProxyType(
    {
        "down": ("went down", "went down"),
        "back": ("is back", "are back"),
        "silent": ("is silent", "are silent"),
        "heard": ("is heard of again", "are heard of again"),
    }
)
_KINDS: Final = MappingProxyType(
    {"webhooks": ("down", "back"), "sources": ("silent", "heard")}
)


@dataclass(frozen=True, slots=True)
class _Subject:
    """What a notice is of: `name` in a sentence, `short` for a subject line.

    `what` is the first word of the event's type; `data` is what the event says of it.
    """

    what: str
    name: str
    short: str
    page: str
    data: dict[str, Any]


def subject(notices: Sequence[Notice]) -> str:
    """Of one e-mail of all of them."""
    if len(notices) == 1:
        only = notices[0]
        return f"{_of(only).short} {_WORDS[only.kind][0]}"
    parts = [_counted(what, notices) for what in _KINDS]
    return "; ".join(part for part in parts if part)


def _counted(what: str, notices: Sequence[Notice]) -> str:
    """`webhooks: 2 went down, 1 are back`; "" where there is none."""
    counts = {kind: sum(one.kind == kind for one in notices) for kind in _KINDS[what]}
    parts = [f"{n} {_WORDS[kind][1]}" for kind, n in counts.items() if n]
    return f"{what}: {', '.join(parts)}" if parts else ""


def paragraph(notice: Notice) -> str:
    """What happened, its details a line each, and the page that shows more."""
    of = _of(notice)
    lines = [
        f"The {of.name} {_WORDS[notice.kind][0]}"
        f" at {notice.happened_at:%Y-%m-%d %H:%M:%S} UTC.",
        *(f"{name.replace('_', ' ')}: {value}" for name, value in _details(notice)),
        of.page,
    ]
    return "\n".join(lines)


def event(notice: Notice) -> dict[str, Any]:
    """As the operations webhook gets it: type, timestamp, data."""
    of = _of(notice)
    return {
        "type": f"{of.what}.{notice.kind}",
        "timestamp": notice.happened_at.isoformat(),
        "data": {**of.data, "page": of.page, **dict(_details(notice))},
    }


def _of(notice: Notice) -> _Subject:
    if notice.webhook is not None:
        return _of_webhook(notice.webhook)
    assert notice.source is not None  # noqa: S101  notice_of_one
    return _of_source(notice.source)


def _of_webhook(webhook: Webhook) -> _Subject:
    tenant, partner = webhook.tenant, webhook.partner
    owner, host = str(tenant or partner), urlsplit(webhook.url).hostname
    # Without its query, which may hold a key.
    url = urlsplit(webhook.url)._replace(query="", fragment="").geturl()
    return _Subject(
        what="webhook",
        name=f"webhook of {owner} to {url}",
        short=f"webhook of {owner} at {host}",
        page=_page("webhook", webhook.pk),
        data={
            "webhook": str(webhook.pk),
            "url": url,
            "tenant": tenant.external_id if tenant is not None else None,
            "partner": str(partner.pk) if partner is not None else None,
        },
    )


def _of_source(source: Source) -> _Subject:
    tenant = source.tenant.external_id
    return _Subject(
        what="source",
        name=f"source {source.name} of {tenant} ({source.pbx})",
        short=f"source {source.name} of {tenant}",
        page=_page("source", source.pk),
        data={
            "source": str(source.pk),
            "name": source.name,
            "pbx": source.pbx,
            "tenant": tenant,
        },
    )


def _details(notice: Notice) -> list[tuple[str, Any]]:
    return [(str(name), value) for name, value in notice.details.items() if value]


def _page(model: str, key: object) -> str:
    page = reverse(f"admin:dispatcher_{model}_change", args=[key])
    return f"{settings.PUBLIC_URL}{page}"
