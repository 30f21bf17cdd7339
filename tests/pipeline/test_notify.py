"""Operators are told of webhooks that went down or are back."""

from __future__ import annotations

import datetime as dt
import json
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest
from standardwebhooks import Webhook as StandardWebhook

from dispatcher.models import Notice, Webhook
from dispatcher.pipeline import notify, wording
from dispatcher.pipeline.outbound import _door
from tests.pipeline.mail_server import MailServer
from tests.sending.receiver import Receiver, answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.db, pytest.mark.django_db(transaction=True)]

SECRET = "whsec_" + "c2VjcmV0" * 4
DETAILS = {"error": "answered 500", "failures": 10, "pending": 3}


@pytest.fixture
def mail(settings) -> Iterator[MailServer]:
    """The operators' mail server."""
    with MailServer() as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        settings.CDRHOOK_OPERATIONS_EMAILS = ["operators@example.com"]
        yield server


@pytest.fixture
def reach(settings) -> Iterator[Callable[[Receiver], None]]:
    """reach(receiver): it gets the notices."""

    def make(receiver: Receiver) -> None:
        settings.CDRHOOK_OPERATIONS_WEBHOOK = f"http://127.0.0.1:{receiver.port}/ops"
        settings.CDRHOOK_OPERATIONS_WEBHOOK_SECRET = SECRET

    settings.CDRHOOK_ALLOW_HTTP = True
    settings.CDRHOOK_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
    _shut_the_door()
    yield make
    _shut_the_door()


def _shut_the_door() -> None:
    """What comes next goes through one with the settings of then."""
    _door().close()
    _door.cache_clear()


@pytest.fixture
def note(acme, now) -> Callable[..., Notice]:
    """note(channel, kind) writes one that is due, of a webhook of its own."""

    def make(channel: str, kind: str = "down", **values: Any) -> Notice:
        url = "https://receiver.example/cdr?key=very-secret"
        return Notice.objects.create(
            webhook=Webhook.objects.create(tenant=acme, url=url),
            channel=channel,
            kind=kind,
            happened_at=now,
            details=DETAILS,
            next_attempt_at=now,
            **values,
        )

    return make


def tell(at: dt.datetime) -> int:
    return notify.tell(clock=lambda: at)


def test_one_email_says_which_webhook_went_down_when_and_why(mail, note, now):
    notice = note("email")
    assert tell(now) == 1
    (message,) = mail.messages
    text = message.get_content()
    assert message["To"] == "operators@example.com"
    assert "webhook of acme at receiver.example went down" in message["Subject"]
    assert "2026-11-20 10:00:00 UTC" in text
    assert "error: answered 500" in text
    assert f"/admin/webhooks/{notice.webhook_id}/" in text


def test_what_was_told_is_not_told_again(mail, note, now):
    notice = note("email")
    tell(now)
    assert tell(now + dt.timedelta(days=2)) == 0
    notice.refresh_from_db()
    assert len(mail.messages) == 1
    assert (notice.sent_at, notice.next_attempt_at) == (now, None)


def test_many_that_go_down_together_are_one_email(mail, note, now):
    for _ in range(12):
        note("email")
    note("email", "back")
    assert tell(now) == 13
    (message,) = mail.messages
    assert message["Subject"] == "[cdrhook] webhooks: 12 went down, 1 are back"
    assert message.get_content().count("went down at") == 12


def test_a_url_is_told_without_its_query(mail, reach, note, now):
    with Receiver([answer(200)]) as receiver:
        reach(receiver)
        note("email")
        note("webhook")
        assert tell(now) == 2
    assert "very-secret" not in mail.messages[0].get_content()
    assert b"very-secret" not in receiver.requests[0].body


def test_the_operations_webhook_gets_a_signed_event(reach, note, now):
    with Receiver([answer(204)]) as receiver:
        reach(receiver)
        notice = note("webhook", "back")
        assert tell(dt.datetime.now(dt.UTC)) == 1
    (request,) = receiver.requests
    event = json.loads(request.body)
    StandardWebhook(SECRET).verify(request.body, request.headers)
    assert event["type"] == "webhook.back"
    assert event["timestamp"] == now.isoformat()
    assert event["data"]["webhook"] == str(notice.webhook_id)
    assert event["data"]["tenant"] == "acme"
    assert event["data"]["failures"] == 10


def test_a_mail_server_that_refuses_is_tried_again_later(mail, note, now):
    notice = note("email")
    mail.refusing = True
    assert tell(now) == 0
    mail.refusing = False
    assert tell(now + dt.timedelta(seconds=29)) == 0
    assert tell(now + dt.timedelta(seconds=30)) == 1
    notice.refresh_from_db()
    assert (notice.tries, len(mail.messages), notice.error) == (2, 1, "")


def test_a_mail_server_that_is_not_there_is_told_of(mail, note, now, settings):
    notice = note("email")
    settings.EMAIL_PORT = 1
    assert tell(now) == 0
    notice.refresh_from_db()
    assert notice.error.startswith("the e-mail was not taken: ")
    assert notice.next_attempt_at == now + dt.timedelta(seconds=30)


def test_a_repeat_bears_the_same_webhook_id(reach, note, now):
    with Receiver([answer(500), answer(200)]) as receiver:
        reach(receiver)
        notice = note("webhook")
        tell(now)
        tell(now + dt.timedelta(minutes=1))
    ids = [request.headers["webhook-id"] for request in receiver.requests]
    assert ids == [str(notice.pk)] * 2


def test_the_last_of_32_tries_gives_up_and_says_why(mail, note, now):
    notice = note("email", tries=31)
    mail.refusing = True
    tell(now)
    notice.refresh_from_db()
    assert (notice.tries, notice.next_attempt_at) == (32, None)
    assert "not now" in notice.error


def test_what_another_worker_is_telling_is_left_to_it(mail, note, now):
    note("email")
    assert len(notify._take(now)) == 1
    assert tell(now + dt.timedelta(seconds=59)) == 0
    assert tell(now + dt.timedelta(seconds=60)) == 1


def test_a_clock_that_was_set_back_holds_nothing_up(mail, note, now):
    note("email")
    assert notify.is_due(now - dt.timedelta(days=1))
    assert tell(now - dt.timedelta(days=1)) == 1


def test_a_notice_for_a_channel_that_is_no_longer_configured_says_so(note, now):
    notice = note("webhook")
    tell(now)
    notice.refresh_from_db()
    assert notice.error == "CDRHOOK_OPERATIONS_WEBHOOK is empty"


def test_each_event_is_noted_before_the_next_is_sent(reach, note, now, monkeypatch):
    first, second = note("webhook"), note("webhook")
    told = notify._by_webhook
    seen: list[bool] = []

    def noting(notice: Notice) -> str:
        seen.append(Notice.objects.get(pk=first.pk).sent_at is not None)
        return told(notice)

    monkeypatch.setattr(notify, "_by_webhook", noting)
    with Receiver([answer(204)]) as receiver:
        reach(receiver)
        assert tell(now) == 2
    assert seen == [False, True]
    assert [request.headers["webhook-id"] for request in receiver.requests] == [
        str(first.pk),
        str(second.pk),
    ]


def test_events_are_taken_for_as_long_as_all_of_them_may_take(note, now):
    for _ in range(20):
        note("webhook")
    taken = notify._take(now)
    assert len(taken) * dt.timedelta(seconds=10) <= notify.TAKEN_FOR


def test_emails_do_not_wait_for_events(mail, note, now):
    note("webhook")
    note("email")
    assert [one.channel for one in notify._take(now)] == ["email"]


def test_one_notice_that_cannot_be_told_holds_up_no_other(
    reach, note, now, monkeypatch
):
    bad, good = note("webhook"), note("webhook")
    event = wording.event

    def failing(notice: Notice) -> dict[str, Any]:
        if notice == bad:
            raise RuntimeError("a fault of ours")
        return event(notice)

    monkeypatch.setattr(wording, "event", failing)
    with Receiver([answer(204)]) as receiver:
        reach(receiver)
        assert tell(now) == 1
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (good.sent_at, bad.tries, bad.sent_at) == (now, 1, None)
    assert bad.next_attempt_at == now + dt.timedelta(seconds=30)


def test_nor_does_one_in_an_email_of_many(mail, note, now, monkeypatch):
    bad, good = note("email"), note("email")
    paragraph = wording.paragraph

    def failing(notice: Notice) -> str:
        if notice == bad:
            raise RuntimeError("a fault of ours")
        return paragraph(notice)

    monkeypatch.setattr(wording, "paragraph", failing)
    assert tell(now) == 1
    (message,) = mail.messages
    assert str(good.webhook_id) in message.get_content()


def test_nothing_more_is_begun_when_its_worker_stops(reach, note, now):
    for _ in range(3):
        note("webhook")
    with Receiver([answer(204)]) as receiver:
        reach(receiver)
        stops = iter([False, True, True])
        assert notify.tell(clock=lambda: now, is_over=lambda: next(stops)) == 1
    assert len(receiver.requests) == 1
