"""Keys at rest are rotated: everything is readable with the new one alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from dispatcher.models import Integration, Webhook
from dispatcher.models.encryption import Unreadable
from dispatcher.pipeline import rotate

pytestmark = [pytest.mark.db, pytest.mark.django_db]

OLD, NEW = "the old key, long enough", "the new key, long enough"


@pytest.fixture(autouse=True)
def no_rest(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)


@pytest.fixture
def webhook(acme, settings) -> Webhook:
    """With secrets that are encrypted with the old key."""
    settings.FIELD_ENCRYPTION_KEYS = [OLD]
    webhook = Webhook.objects.create(
        tenant=acme, url="https://a.example/", secret="hush", previous_secret="sh"
    )
    webhook.headers.create(name="x-key", value="header-value")
    user = User.objects.create(username="anna")
    Integration.objects.create(tenant=acme, user=user, url="u", openai_key="sk-1")
    return webhook


def rotated(capsys) -> Any:
    call_command("rotatekeys", "--json")
    return json.loads(capsys.readouterr().out)


def texts() -> list[str]:
    webhook = Webhook.objects.get()
    integration = Integration.objects.get()
    return [
        webhook.secret,
        webhook.previous_secret,
        webhook.headers.get().value,
        integration.openai_key,
    ]


def test_everything_is_readable_with_the_new_key_alone(webhook, settings, capsys):
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    assert rotated(capsys) == {"seen": 4, "rotated": 4, "unreadable": []}
    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    assert texts() == ["hush", "sh", "header-value", "sk-1"]


def test_what_was_derived_from_the_secret_key_is_rotated(acme, settings, capsys):
    settings.FIELD_ENCRYPTION_KEYS = []
    Webhook.objects.create(tenant=acme, url="https://a.example/", secret="hush")
    settings.FIELD_ENCRYPTION_KEYS = [NEW, f"secret-key:{settings.SECRET_KEY}"]
    assert rotated(capsys)["rotated"] == 1
    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    assert Webhook.objects.get().secret == "hush"


def test_a_second_time_there_is_nothing_to_do(webhook, settings, capsys):
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    rotated(capsys)
    assert rotated(capsys) == {"seen": 4, "rotated": 0, "unreadable": []}


def test_what_no_key_can_read_is_named_and_left_alone(webhook, settings, capsys):
    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    answer = rotated(capsys)
    assert f"dispatcher.Webhook {webhook.pk} secret" in answer["unreadable"]
    assert (answer["rotated"], len(answer["unreadable"])) == (0, 4)
    assert isinstance(Webhook.objects.get().secret, Unreadable)
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    assert texts()[0] == "hush"


def test_it_goes_through_a_column_in_steps(webhook, acme, settings, monkeypatch, now):
    monkeypatch.setattr(rotate, "STEP", 2)
    for number in range(5):
        Webhook.objects.create(
            tenant=acme, url="https://b.example/", secret=f"{number}"
        )
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    *steps, last = rotate.rotate_keys(now=now, pause=lambda seconds: None)
    assert last.rotated == 9
    assert len(steps) > len(rotate.columns())


def test_one_that_is_changed_meanwhile_keeps_its_new_text(
    webhook, settings, monkeypatch, now
):
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]

    def changed_meanwhile(stored: str) -> bool:
        Webhook.objects.update(secret="newer", previous_secret="newer")
        return False

    monkeypatch.setattr(rotate, "is_of_first_key", changed_meanwhile)
    list(rotate.rotate_keys(now=now, pause=lambda seconds: None))
    assert Webhook.objects.get().secret == "newer"
