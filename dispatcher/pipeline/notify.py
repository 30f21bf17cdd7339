"""Tells operators of webhooks that went down, of sources that are silent, and that they
are back: by e-mail, and by webhook.

Sends the notices that a change has written; decides nothing about health. A notice is tried for about a day. Whoever sends it died before it could say so: it is
sent again, with the same id.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from smtplib import SMTPException
from typing import TYPE_CHECKING, Final

import structlog
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import close_old_connections, connection, transaction
from django.db.models import Q

from dispatcher.models import Notice
from dispatcher.pipeline import wording
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
        owner = ("webhook__tenant", "webhook__partner", "source__tenant")
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
            webhook=str(one.webhook_id) if one.webhook_id else None,
            source=str(one.source_id) if one.source_id else None,
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
        subject=f"[cdrhook] {wording.subject(notices)}",
        body="\n\n".join(wording.paragraph(one) for one in notices) + "\n",
        to=settings.CDRHOOK_OPERATIONS_EMAILS,
        # A repeat after a crash is seen to be one.
        headers={"Message-ID": f"<{notices[0].pk}@cdrhook>"},
    )
    try:
        message.send()
    except (OSError, SMTPException, ValueError) as error:
        return f"the e-mail was not taken: {error}"
    return ""


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
                body=json.dumps(wording.event(notice)).encode(),
            ),
            secrets=(secret,) if secret else (),
            also_accept=frozenset({202, 204}),
        )
    )
    return "" if outcome.verdict == "delivered" else outcome.error
