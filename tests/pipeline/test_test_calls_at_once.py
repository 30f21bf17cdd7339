"""Test calls hold threads of the web server: few are sent at once."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse

from dispatcher.models import Delivery, Webhook
from dispatcher.models.encryption import UndecryptableError
from dispatcher.pipeline import test_call as sample

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def webhook(acme) -> Webhook:
    return Webhook.objects.create(tenant=acme, url="https://acme.example/")


@pytest.fixture
def busy(webhook):
    """All of the tenant's places are taken."""
    with ExitStack() as places:
        for _ in range(sample.MAX_AT_ONCE_AN_OWNER):
            places.enter_context(sample._place(webhook.tenant_id))
        yield


@pytest.mark.usefixtures("busy")
def test_one_more_is_refused_and_makes_no_delivery(webhook, now):
    with pytest.raises(sample.TooManyTestsError):
        sample.test_call(webhook, now=now)
    assert not Delivery.objects.exists()


def test_one_whose_secret_cannot_be_read_makes_no_delivery(webhook, now, settings):
    Webhook.objects.update(secret="whsec_c2VjcmV0")
    settings.FIELD_ENCRYPTION_KEYS = ["another key"]
    with pytest.raises(UndecryptableError):
        sample.test_call(Webhook.objects.get(), now=now)
    assert not Delivery.objects.exists()


@pytest.mark.usefixtures("busy")
def test_the_api_says_when_to_try_again(acme, webhook, client_for):
    answer = client_for(acme).post(f"/api/v1/webhooks/{webhook.pk}/test")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")


@pytest.mark.usefixtures("busy")
def test_the_page_says_so(webhook, admin_client):
    button = reverse("admin:dispatcher_webhook_test", args=[webhook.pk])
    answer: Any = admin_client.post(button)
    [message] = map(str, get_messages(answer.wsgi_request))
    assert message == "Too many test calls are under way; try again soon."


@pytest.mark.usefixtures("busy")
def test_another_tenants_are_not_affected(globex, now, monkeypatch):
    other = Webhook.objects.create(tenant=globex, url="https://globex.example/")
    monkeypatch.setattr(sample, "prepare_test_call", _fails)
    with pytest.raises(BegunError):
        sample.test_call(other, now=now)


def test_a_place_is_given_back_whatever_happened(webhook, now, monkeypatch):
    monkeypatch.setattr(sample, "prepare_test_call", _fails)
    for _ in range(sample.MAX_AT_ONCE + 1):
        with pytest.raises(BegunError):
            sample.test_call(webhook, now=now)


class BegunError(Exception):
    """It was begun."""


def _fails(*_: object) -> None:
    raise BegunError
