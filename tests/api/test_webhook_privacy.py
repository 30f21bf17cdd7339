"""What a receiver is shown of a call is a setting of its webhook."""

from __future__ import annotations

import pytest

from dispatcher.models import Webhook

pytestmark = [pytest.mark.db, pytest.mark.django_db]

PATH = "/api/v1/webhooks"
URL = "https://receiver.example/cdr"


@pytest.fixture
def make(send):
    """make(**settings) -> the webhook, as POST answered it."""

    def made(**settings):
        status, webhook = send("POST", PATH, {"url": URL, **settings})
        assert status == 201
        return webhook

    return made


def test_masking_is_shown_where_it_is_on(make, send):
    made = make(mask="digits", mask_digits=6, allowed_fields=["cliNum", "tags.vip"])
    _, shown = send("GET", f"{PATH}/{made['id']}")

    assert (shown["mask"], shown["mask_digits"]) == ("digits", 6)
    assert shown["allowed_fields"] == ["cliNum", "tags.vip"]
    assert send("PATCH", f"{PATH}/{made['id']}", shown)[0] == 200


def test_it_can_be_switched_off_again(make, send):
    made = make(mask="digits", allowed_fields=["dur"])

    off = {"mask": "", "allowed_fields": []}
    _, shown = send("PATCH", f"{PATH}/{made['id']}", off)

    assert not {"mask", "mask_digits", "allowed_fields"} & shown.keys()


def test_a_key_is_made_when_hashing_is_chosen_and_stays(make, send):
    made = make()
    keys = [Webhook.objects.get().mask_key]

    for mask in ("hash", "", "hash"):
        send("PATCH", f"{PATH}/{made['id']}", {"mask": mask})
        keys.append(Webhook.objects.get().mask_key)

    assert keys[0] == ""
    assert len(keys[1]) == 64
    assert keys[1:] == [keys[1]] * 3


def test_the_key_is_shown_nowhere_and_another_webhooks_is_another(make, send):
    answers = [make(mask="hash"), make(mask="hash")]
    shown = send("GET", PATH)[1]

    keys = set(Webhook.objects.values_list("mask_key", flat=True))
    assert len(keys) == 2
    assert not any(key in f"{answers}{shown}" for key in keys)


def test_a_property_that_there_is_not_is_refused_with_those_that_there_are(send):
    status, problem = send("POST", PATH, {"url": URL, "allowed_fields": ["clinum"]})

    assert status == 422
    (error,) = problem["errors"]
    assert error["field"] == "allowed_fields"
    assert 'no property "clinum"' in error["message"]
    assert "cliNum" in error["message"]
    assert "caller.number" in error["message"]
