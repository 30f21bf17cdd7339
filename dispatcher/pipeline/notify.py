"""Tells operators of webhooks that went down or are back: by e-mail, and by webhook.

Sends the notices that a change of health has written; decides nothing about health. A
notice is tried for about a day. Whoever sends it died before it could say so: it is
sent again, with the same id.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from smtplib import SMTPException
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import close_old_connections, connection, transaction
from django.db.models import Q
from django.urls import reverse

from dispatcher.models import Notice
from dispatcher.pipeline.outbound import send_out
from dispatcher.values import Outgoing, RenderedRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dispatcher.values import Outcome

log = structlog.get_logger(__name__)

EMAIL, WEBHOOK = "email", "webhook"
# Notices of one e-mail: when many webhooks go down together, nobody reads as many.
MOST_TOGETHER: Final = 100
# Events that are taken together; each is waited for 10 s at most.
MOST_EVENTS: Final = 5
# Longer than an e-mail server or the receiver of these is waited for.
TAKEN_FOR: Final = dt.timedelta(seconds=60)
FIRST_WAIT: Final = dt.timedelta(seconds=30)
LONGEST_WAIT: Final = dt.timedelta(hours=1)
# With these waits, a day and some hours.
MOST_TRIES: Final = 32
_WORDS: Final = {"down": "went down", "back": "is back"}


@dataclass(frozen=True, slots=True)
class _Told:
    """How telling of some notices ended; `error` is "" where they were taken."""

    notices: Sequence[Notice]
    error: str = ""


def is_due(now: dt.datetime) -> bool:
    """Whether there is anything to tell."""
    return Notice.objects.filter(_due(now)).exists()


def tell(
    *, clock: Callable[[], dt.datetime], is_over: Callable[[], bool] = lambda: False
) -> int:
    """Sends what is due; returns how many notices were taken. Waits for receivers.

    Once `is_over`, nothing more is begun: what was taken is told in a minute.
    """
    taken = 0
    while not is_over() and (notices := _take(clock())):
        close_old_connections()
        for told in _told(notices):
            _note(told, clock())
            close_old_connections()
            taken += 0 if told.error else len(told.notices)
            if is_over():
                break
    return taken


def _due(now: dt.datetime) -> Q:
    """Also what waits for longer than any wait: the clock was set back."""
    return Q(next_attempt_at__lte=now) | Q(next_attempt_at__gt=now + 2 * LONGEST_WAIT)


def _take(now: dt.datetime) -> list[Notice]:
    """Some that are due, of one channel, for us alone for a minute; e-mails first."""
    with transaction.atomic():
        due = Notice.objects.select_for_update(
            of=("self",),
            skip_locked=connection.features.has_select_for_update_skip_locked,
        ).filter(_due(now))
        owner = ("webhook", "webhook__tenant", "webhook__partner")
        found = list(
            due.select_related(*owner).order_by("channel", "id")[:MOST_TOGETHER]
        )
        notices = [one for one in found if one.channel == found[0].channel]
        if notices and notices[0].channel == WEBHOOK:
            notices = notices[:MOST_EVENTS]
        for one in notices:
            one.tries += 1
            one.next_attempt_at = now + TAKEN_FOR
        Notice.objects.bulk_update(notices, ["tries", "next_attempt_at"])
    return notices


def _told(notices: Sequence[Notice]) -> Iterator[_Told]:
    """Tells them, and how each of that ended, before the next is begun."""
    together = [notices]
    if notices[0].channel == WEBHOOK:
        together = [[one] for one in notices]
    for some in together:
        try:
            error = (
                _by_email(some) if some[0].channel == EMAIL else _by_webhook(some[0])
            )
        except Exception:
            log.exception("notice.not_told", notice=str(some[0].pk))
            if len(some) > 1:  # one of them must not hold up the others
                together += [[one] for one in some]
                continue
            error = "something went wrong in cdrhook; its log says what"
        yield _Told(some, error)


def _note(told: _Told, now: dt.datetime) -> None:
    for one in told.notices:
        one.error = told.error[:1000]
        one.sent_at = None if told.error else now
        one.next_attempt_at = _next_attempt(one, now) if told.error else None
        say = log.warning if told.error else log.info
        say(
            "notice.told",
            notice=str(one.pk),
            webhook=str(one.webhook_id),
            kind=one.kind,
            channel=one.channel,
            tries=one.tries,
            error=told.error or None,
        )
    fields = ["error", "sent_at", "next_attempt_at"]
    Notice.objects.bulk_update(told.notices, fields)


def _next_attempt(notice: Notice, now: dt.datetime) -> dt.datetime | None:
    """None: it is given up."""
    if notice.tries >= MOST_TRIES:
        return None
    doubled: dt.timedelta = FIRST_WAIT * 2 ** (notice.tries - 1)
    return now + min(LONGEST_WAIT, doubled)


# By e-mail ----------------------------------------------------------------------------


def _by_email(notices: Sequence[Notice]) -> str:
    """Sends one e-mail of them all; returns why that failed, or ""."""
    if not settings.CDRHOOK_OPERATIONS_EMAILS:
        return "CDRHOOK_OPERATIONS_EMAILS is empty"
    message = EmailMessage(
        subject=f"[cdrhook] {_subject(notices)}",
        body="\n\n".join(_paragraph(one) for one in notices) + "\n",
        to=settings.CDRHOOK_OPERATIONS_EMAILS,
        # A repeat after a crash is seen to be one.
        headers={"Message-ID": f"<{notices[0].pk}@cdrhook>"},
    )
    try:
        message.send()
    except (OSError, SMTPException, ValueError) as error:
        return f"the e-mail was not taken: {error}"
    return ""


def _subject(notices: Sequence[Notice]) -> str:
    if len(notices) == 1:
        only = notices[0]
        host = urlsplit(only.webhook.url).hostname
        return f"webhook of {_owner(only)} at {host} {_WORDS[only.kind]}"
    counts = {kind: sum(one.kind == kind for one in notices) for kind in _WORDS}
    parts = [f"{n} {_MANY[kind]}" for kind, n in counts.items() if n]
    return f"webhooks: {', '.join(parts)}"


_MANY: Final = {"down": "went down", "back": "are back"}


def _paragraph(notice: Notice) -> str:
    lines = [
        f"The webhook of {_owner(notice)} to {_url(notice)} {_WORDS[notice.kind]}"
        f" at {notice.happened_at:%Y-%m-%d %H:%M:%S} UTC.",
        *(f"{name.replace('_', ' ')}: {value}" for name, value in _details(notice)),
        _page(notice),
    ]
    return "\n".join(lines)


# By webhook ---------------------------------------------------------------------------


def _by_webhook(notice: Notice) -> str:
    """POSTs one as Standard Webhooks has it; returns why that failed, or ""."""
    url = settings.CDRHOOK_OPERATIONS_WEBHOOK
    if not url:
        return "CDRHOOK_OPERATIONS_WEBHOOK is empty"
    secret = settings.CDRHOOK_OPERATIONS_WEBHOOK_SECRET
    outcome: Outcome = send_out(
        Outgoing(
            delivery_id=notice.pk,
            url=url,
            request=RenderedRequest(
                method="POST",
                content_type="application/json",
                body=json.dumps(_event(notice)).encode(),
            ),
            secrets=(secret,) if secret else (),
            also_accept=frozenset({202, 204}),
        )
    )
    return "" if outcome.verdict == "delivered" else outcome.error


def _event(notice: Notice) -> dict[str, Any]:
    tenant, partner = notice.webhook.tenant, notice.webhook.partner
    return {
        "type": f"webhook.{notice.kind}",
        "timestamp": notice.happened_at.isoformat(),
        "data": {
            "webhook": str(notice.webhook_id),
            "url": _url(notice),
            "tenant": tenant.external_id if tenant is not None else None,
            "partner": str(partner.pk) if partner is not None else None,
            "page": _page(notice),
            **dict(_details(notice)),
        },
    }


# What both say --------------------------------------------------------------------------


def _owner(notice: Notice) -> str:
    return str(notice.webhook.tenant or notice.webhook.partner)


def _url(notice: Notice) -> str:
    """Without its query, which may hold a key."""
    return urlsplit(notice.webhook.url)._replace(query="", fragment="").geturl()


def _details(notice: Notice) -> list[tuple[str, Any]]:
    return [(str(name), value) for name, value in notice.details.items() if value]


def _page(notice: Notice) -> str:
    page = reverse("admin:dispatcher_webhook_change", args=[notice.webhook_id])
    return f"{settings.PUBLIC_URL}{page}"
