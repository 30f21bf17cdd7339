"""The table of tricks once more, where webhooks are saved."""

from __future__ import annotations

import pytest

from dispatcher.models import Webhook
from tests.sending import tricks

pytestmark = [pytest.mark.db, pytest.mark.django_db]

PATH = "/api/v1/webhooks"


@pytest.fixture(autouse=True)
def nothing_is_allowed(settings):
    settings.CDRHOOK_ALLOWED_NETWORKS = []


def test_no_trick_is_saved_and_the_reason_stands_at_the_url(send):
    saved = []
    for url, word in tricks.REFUSED:
        status, problem = send("POST", PATH, {"url": url})
        first = problem["errors"][0] if status == 422 else {}
        if first.get("field") != "url" or word not in first["message"]:
            saved.append((url, word, problem))

    assert saved == []
    assert not Webhook.objects.exists()


def test_what_is_public_may_be_saved(send):
    urls = [url for url, *_ in tricks.ALLOWED]

    answers = [send("POST", PATH, {"url": url}) for url in urls]

    assert [(status, webhook["url"]) for status, webhook in answers] == [
        (201, url) for url in urls
    ]


def test_no_allowance_lets_metadata_be_saved(send, settings):
    settings.CDRHOOK_ALLOWED_NETWORKS = tricks.EVERYTHING.allowed_networks

    statuses = {send("POST", PATH, {"url": url})[0] for url in tricks.METADATA}

    assert statuses == {422}


def test_a_webhook_is_not_changed_into_a_trick(send):
    _, webhook = send("POST", PATH, {"url": "https://hooks.example/"})

    status, _ = send("PATCH", f"{PATH}/{webhook['id']}", {"url": "https://127.1/"})

    assert status == 422
    assert Webhook.objects.get().url == "https://hooks.example/"
