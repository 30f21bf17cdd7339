"""A webhook's receiver is sent what it may see; its filters saw the call as it was."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from dispatcher.models import Delivery, Webhook, WebhookFilter
from dispatcher.pipeline.test_call import prepare_test_call
from dispatcher.values import Caller
from tests.pipeline.conftest import call, claim_all, finish, only_delivery

pytestmark = [pytest.mark.db, pytest.mark.django_db]

NUMBER = "+442031703746"


def sent(item):
    """The `cdr` of an envelope."""
    return json.loads(item.outgoing.request.body)["cdr"]


def test_numbers_are_masked_and_what_is_not_allowed_is_left_out(
    acme, webhook_of, take, now
):
    webhook = webhook_of(acme, mask="digits", allowed_fields=["cliNum", "dir"])
    take(acme, call("c-1", caller=Caller(number=NUMBER, name="Zoe")))

    (item,) = claim_all(webhook, now)

    assert sent(item) == {
        "id": "c-1",
        "dType": "CloudSessionCdr",
        "sVer": 1,
        "cliNum": "+44203170xxxx",
        "dir": 2,
    }


def test_filters_see_the_number_as_it_is(acme, webhook_of, take, now):
    webhook = webhook_of(acme, mask="digits", allowed_fields=["dur"])
    WebhookFilter.objects.create(webhook=webhook, field="cliNum", op="eq", value=NUMBER)
    take(acme, call("c-1", caller=Caller(number=NUMBER)), call("c-2"))

    (item,) = claim_all(webhook, now)

    assert sent(item)["id"] == "c-1"


def test_a_call_that_has_been_tried_is_sent_as_it_was(acme, webhook_of, take, now):
    webhook = webhook_of(acme)
    take(acme, call("c-1", caller=Caller(number=NUMBER)))
    finish(claim_all(webhook, now)[0], 500, now)
    Webhook.objects.update(mask="digits")

    (again,) = claim_all(webhook, now + dt.timedelta(seconds=10))

    assert sent(again)["cliNum"] == NUMBER


def test_a_call_that_waits_is_sent_by_the_setting_of_its_first_try(
    acme, webhook_of, take, now
):
    webhook = webhook_of(acme)
    take(acme, call("c-1", caller=Caller(number=NUMBER)))
    Webhook.objects.update(mask="digits")

    (item,) = claim_all(webhook, now)

    assert sent(item)["cliNum"] == "+44203170xxxx"


def test_a_batch_is_masked_too(acme, webhook_of, take, now):
    webhook = webhook_of(acme, style="batch", batch_size=1, mask="hash", mask_key="k")
    take(acme, call("c-1", caller=Caller(number=NUMBER)))

    (item,) = claim_all(webhook, now)

    (shown,) = json.loads(item.outgoing.request.body)["cdrs"]
    assert shown["caller_number"].startswith("h")
    assert shown["uniqueid"] == "c-1"


def test_a_key_that_cannot_be_read_holds_the_delivery_and_loses_nothing(
    acme, webhook_of, take, now, settings
):
    webhook = webhook_of(acme, mask="hash", mask_key="k", secret="")
    take(acme, call("c-1"))
    settings.FIELD_ENCRYPTION_KEYS = ["another"]

    assert claim_all(webhook, now) == []

    row = only_delivery()
    assert (row.state, row.last_error_class) == (Delivery.PENDING, "internal")
    assert "FIELD_ENCRYPTION_KEYS" in row.last_error


def test_a_test_call_is_masked_like_any_other(acme, webhook_of, now):
    claimed = prepare_test_call(webhook_of(acme, mask="digits"), now)

    assert sent(claimed)["cliNum"] == "+44163296xxxx"
