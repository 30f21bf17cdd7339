"""createtenant --max-webhooks, and createwebhook beyond it ("license depending")."""

from __future__ import annotations

import pytest

from dispatcher.models import Tenant, Webhook

pytestmark = [pytest.mark.db, pytest.mark.django_db]

MAKE = ["--tenant=acme", "--url=https://receiver.example/cdr", "--style=envelope"]


def test_a_tenant_is_made_with_its_limit(run):
    run("createtenant", "Acme", "--external-id=acme", "--max-webhooks=2")
    run("createtenant", "Globex", "--external-id=globex")

    limits = dict(Tenant.objects.values_list("external_id", "max_webhooks"))
    assert limits == {"acme": 2, "globex": None}


def test_one_webhook_more_than_the_limit_is_refused_and_the_tenant_named(run):
    run("createtenant", "Acme", "--external-id=acme", "--max-webhooks=2")
    for _ in range(2):
        assert run("createwebhook", *MAKE, "--json").code == 0

    ran = run("createwebhook", *MAKE, "--json")

    assert (ran.code, ran.out, ran.fields) == (1, "", ["tenant"])
    assert ran.problem["errors"][0]["message"] == "acme may have 2 webhooks and has 2"
    assert Webhook.objects.count() == 2


def test_people_are_told_the_limit_in_a_sentence(acme, run):
    Tenant.objects.update(max_webhooks=0)

    ran = run("createwebhook", *MAKE)

    assert ran.code == 1
    assert "acme may have 0 webhooks and has 0" in ran.err


def test_a_webhook_of_another_style_or_at_rest_counts_as_well(acme, run):
    Tenant.objects.update(max_webhooks=1)
    run("createwebhook", *MAKE, "--inactive")

    ran = run("createwebhook", *MAKE[:2], "--style=flat", "--json")

    assert (ran.code, ran.fields) == (1, ["tenant"])


@pytest.mark.parametrize(("number", "code"), [("-1", 1), ("many", 2)])
def test_a_limit_that_is_no_number_is_refused(run, number, code):
    ran = run("createtenant", "Acme", "--external-id=acme", f"--max-webhooks={number}")

    assert ran.code == code
    assert not Tenant.objects.exists()
