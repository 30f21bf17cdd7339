"""Who changed what is noted, with the change or not at all, and never a secret."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from dispatcher.models import AuditEntry, Delivery, Webhook
from dispatcher.pipeline import audit, integrate, resend, subscribe
from dispatcher.pipeline.subscribe import WebhookDraft
from dispatcher.values import Filter

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.db, pytest.mark.django_db]

SECRETS = ("hush-hush-hush", "Bearer very-private", "sk-openai-key")


@pytest.fixture
def webhook(acme, now) -> Webhook:
    draft = WebhookDraft(
        tenant=acme,
        url="https://acme.example/cdr",
        style="envelope",
        secret=SECRETS[0],
        headers=(("Authorization", SECRETS[1]),),
    )
    return subscribe.create_webhook(draft, now=now)[0]


def last() -> AuditEntry:
    return AuditEntry.objects.latest("id")


def everything() -> str:
    return json.dumps([str(row) for row in AuditEntry.objects.values()])


def test_a_new_webhook_is_noted_with_its_settings(webhook, acme, now):
    entry = last()
    assert (entry.actor, entry.action, entry.at) == ("system", "made", now)
    assert (entry.tenant, entry.object_id) == (acme, str(webhook.pk))
    assert entry.changes["url"] == [None, "https://acme.example/cdr"]


def test_a_change_is_noted_with_before_and_after(webhook, now):
    changes = {"retries": 3, "filters": (Filter("dir", "eq", "inbound"),)}
    subscribe.update_webhook(webhook, changes, now=now)
    assert last().changes == {
        "retries": [1, 3],
        "filters": [[], ["dir:eq:inbound"]],
    }


def test_of_secrets_only_that_they_changed_is_noted(webhook, now):
    changes = {"secret": "another-secret", "headers": (("Authorization", "other"),)}
    subscribe.update_webhook(webhook, changes, now=now)
    assert last().changes["headers.Authorization"] == ["***", "changed"]
    assert not any(secret in everything() for secret in (*SECRETS, "another-secret"))


def test_what_is_as_before_is_not_noted(webhook, now):
    subscribe.update_webhook(webhook, {"retries": 1}, now=now)
    assert AuditEntry.objects.count() == 1


def test_what_was_refused_is_not_noted(webhook, now):
    with pytest.raises(subscribe.RefusedError):
        subscribe.update_webhook(webhook, {"url": "nonsense"}, now=now)
    assert AuditEntry.objects.count() == 1


def test_rotation_and_deletion_are_noted(webhook, now):
    subscribe.rotate_secret(webhook, now=now)
    subscribe.delete_webhook(webhook, now=now)
    actions = list(AuditEntry.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["made", "secret rotated", "deleted"]


def test_an_integration_and_the_webhook_that_it_makes_are_noted(acme, now):
    admin = User.objects.create(username="anna", is_superuser=True)
    wish = integrate.Wish(
        url="https://a.example/", on=True, call_summary=True, openai_key=SECRETS[2]
    )
    integrate.save(acme, admin, wish, now=now)
    kinds = set(AuditEntry.objects.values_list("object_type", "action"))
    assert kinds == {("integration", "made"), ("webhook", "made")}
    assert SECRETS[2] not in everything()


def test_deliveries_sent_again_and_cancelled_are_noted(webhook, acme, now):
    delivery = Delivery.objects.create(
        webhook=webhook,
        tenant=acme,
        state="failed",
        created_at=now,
        ended_at=now,
        call_end=now,
    )
    resend.redeliver(delivery.pk, now)
    resend.cancel(delivery.pk, now)
    entries = AuditEntry.objects.filter(object_id=str(delivery.pk)).order_by("id")
    assert [(one.action, one.tenant) for one in entries] == [
        ("sent again", acme),
        ("cancelled", acme),
    ]


@pytest.mark.django_db(transaction=True)
def test_a_change_cannot_be_noted_outside_its_transaction(acme, now):
    with pytest.raises(RuntimeError, match="transaction"):
        audit.note("made", acme, now=now)


def test_the_actor_is_who_was_named_last_in_the_block(acme, now):
    with audit.acting(lambda: audit.Actor("nobody", "192.0.2.1")):
        audit.name_actor("token …1a2b")
        audit.note("made", acme, now=now)
    audit.note("made", acme, now=now)
    who = AuditEntry.objects.order_by("id").values_list("actor", "address")
    assert list(who) == [("token …1a2b", "192.0.2.1"), ("system", None)]


def test_a_long_value_is_cut_off(acme, now):
    audit.note("made", acme, now=now, after={"text": "x" * 10_000})
    assert last().changes["text"] == [None, "x" * audit.MAX_CHARS]


def test_a_command_names_itself(db, capsys):
    call_command("createtenant", "Acme", "--external-id", "acme")
    call_command("createtoken", "--tenant", "acme", "--scope", "read")
    noted = AuditEntry.objects.order_by("id").values_list("actor", "object_type")
    assert list(noted) == [
        ("command createtenant", "tenant"),
        ("command createtoken", "API token"),
    ]
    token = capsys.readouterr().out.split()[-1]
    assert token not in everything()


def test_a_superuser_made_by_command_is_noted(db, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "correct horse battery")
    call_command(
        "createsuperuser",
        "--noinput",
        username="anna",
        email="a@b.example",
        verbosity=0,
    )
    assert (last().actor, last().object_text) == ("command createsuperuser", "anna")
    assert last().changes["password"] == [None, "changed"]


def test_an_entry_outlives_what_it_tells_of(acme, now):
    audit.note("made", acme, now=now)
    acme.delete()
    assert (last().object_text, last().tenant) == ("acme", None)


def test_a_token_is_named_by_its_last_characters(
    webhook, acme, token_of: Callable[..., str], client
):
    token = token_of(acme, "manage")
    answer: Any = client.patch(
        f"/api/v1/webhooks/{webhook.pk}",
        json.dumps({"retries": 7}),
        content_type="application/json",
        headers={"authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 200
    assert (last().actor, last().address) == (f"token …{token[-4:]}", "127.0.0.1")
