"""What the system writes for itself does not stay for ever."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from axes.models import AccessAttempt
from django.contrib.sessions.models import Session

from dispatcher.models import AuditEntry, Notice, Replay
from dispatcher.models.ids import first_id_at
from dispatcher.pipeline import tidy as tidy_module
from dispatcher.pipeline.tidy import tidy

if TYPE_CHECKING:
    from uuid import UUID

pytestmark = [pytest.mark.db, pytest.mark.django_db]

DAY = dt.timedelta(days=1)


def made(at: dt.datetime) -> UUID:
    """An id of a row that was made then."""
    return first_id_at(at)


def notice(webhook: Any, at: dt.datetime, **values: Any) -> None:
    Notice.objects.create(
        id=made(at),
        webhook=webhook,
        kind="down",
        channel="email",
        happened_at=at,
        **values,
    )


def test_logins_that_have_ended_are_deleted(now):
    Session.objects.create(session_key="over", expire_date=now - DAY)
    Session.objects.create(session_key="good", expire_date=now + DAY)

    assert sum(tidy(now)) == 1
    assert Session.objects.get().session_key == "good"


def test_notices_go_after_90_days_but_not_those_that_are_still_to_be_sent(
    acme, webhook_of, now
):
    webhook = webhook_of(acme)
    notice(webhook, now - 91 * DAY)
    notice(webhook, now - 92 * DAY, next_attempt_at=now)
    notice(webhook, now - 89 * DAY)

    assert sum(tidy(now)) == 1
    assert not Notice.objects.filter(happened_at=now - 91 * DAY).exists()


def test_replays_go_90_days_after_their_end(acme, webhook_of, now):
    webhook = webhook_of(acme)
    for days, ended in ((100, now - 91 * DAY), (101, now - DAY), (102, None)):
        at = now - days * DAY
        Replay.objects.create(
            id=made(at), webhook=webhook, since=at, until=at, created_at=at,
            ended_at=ended, state="done" if ended else "running",
            next_step_at=None if ended else now,
        )  # fmt: skip

    assert sum(tidy(now)) == 1
    assert Replay.objects.count() == 2


def test_failed_logins_go_after_90_days(now):
    for days in (89, 91):
        attempt = AccessAttempt.objects.create(
            username="anna", ip_address=f"192.0.2.{days}", failures_since_start=1
        )
        AccessAttempt.objects.filter(pk=attempt.pk).update(
            attempt_time=now - days * DAY
        )

    assert sum(tidy(now)) == 1
    assert AccessAttempt.objects.get().ip_address == "192.0.2.89"


@pytest.mark.parametrize(("keep", "left"), [(None, 2), (60, 1)])
def test_the_audit_log_is_kept_for_as_long_as_the_operator_says(
    settings, now, keep, left
):
    settings.CDRHOOK_KEEP_AUDIT_DAYS = keep
    for days in (59, 61):
        at = now - days * DAY
        AuditEntry.objects.create(id=made(at), at=at, actor="system", action="changed")

    list(tidy(now))

    assert AuditEntry.objects.count() == left


def test_it_goes_step_by_step(now, monkeypatch):
    monkeypatch.setattr(tidy_module, "STEP", 2)
    for number in range(5):
        Session.objects.create(session_key=f"{number}", expire_date=now - DAY)

    assert list(tidy(now)) == [2, 2, 1]
