"""createpartner, createtenant and createtoken."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client

from dispatcher.models import ApiToken, Partner, Tenant

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def test_a_partner_and_a_tenant_of_it_are_made(run):
    partner = run("createpartner", "Operator", "--json").answer
    tenant = run(
        "createtenant",
        "Acme Ltd",
        "--external-id=acme",
        f"--partner={partner['id']}",
        "--time-zone=Europe/London",
        "--max-webhooks=3",
        "--json",
    ).answer

    made = Tenant.objects.get()
    assert partner == {"id": str(Partner.objects.get().pk), "name": "Operator"}
    assert tenant == {"id": str(made.pk), "external_id": "acme", "name": "Acme Ltd"}
    assert str(made.partner_id) == partner["id"]
    assert (made.time_zone, made.max_webhooks) == ("Europe/London", 3)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["--external-id=a b"], "external_id"),
        (["--external-id=" + "x" * 65], "external_id"),
        (["--external-id=acme"], "external_id"),
        (["--external-id=b", "--time-zone=Mars/Base"], "time_zone"),
        (["--external-id=b", "--max-webhooks=-1"], "max_webhooks"),
        (["--external-id=b", f"--partner={uuid.uuid4()}"], "partner"),
        (["--external-id=b", "--partner=x"], "partner"),
    ],
)
def test_a_tenant_that_cannot_be_names_the_argument(acme, run, arguments, field):
    ran = run("createtenant", "Acme", *arguments, "--json")

    assert (ran.code, ran.out, set(ran.fields)) == (1, "", {field})
    assert ran.problem["title"]
    assert Tenant.objects.count() == 1


def test_a_token_is_shown_once_and_stored_hashed(acme, run):
    token = run(
        "createtoken", "--tenant=acme", "--scope=read", "--scope=manage", "--json"
    ).answer["token"]

    stored = ApiToken.objects.get()
    assert len(token) == len("cdr_") + 43
    assert stored.digest == ApiToken.digest_of(token)
    assert (stored.tenant, stored.scopes) == (acme, ["read", "manage"])
    client = Client(headers={"authorization": f"Bearer {token}"})
    assert client.get("/api/v1/webhooks").status_code == 200


def test_a_partner_gets_a_token_too(run):
    partner = Partner.objects.create(name="Operator")

    run("createtoken", f"--partner={partner.pk}", "--scope=read", "--json")

    assert ApiToken.objects.get().partner == partner


@pytest.mark.parametrize(
    "arguments",
    [
        ["createpartner"],
        ["createtenant", "Acme"],
        ["createtenant", "Acme", "--external-id=b", "--max-webhooks=many"],
        ["createtoken", "--scope=read"],
        ["createtoken", "--tenant=acme"],
        ["createtoken", "--tenant=acme", "--scope=everything"],
        ["createtoken", "--tenant=acme", "--partner=x", "--scope=read"],
    ],
)
def test_bad_usage_exits_2(acme, run, arguments):
    ran = run(*arguments)

    assert (ran.code, ran.out) == (2, "")
    assert "usage:" in ran.err


def test_a_token_for_nobody_is_a_failure(run):
    ran = run("createtoken", "--tenant=nobody", "--scope=read", "--json")

    assert (ran.code, ran.fields) == (1, ["tenant"])


def test_people_are_answered_in_sentences(run):
    made = run("createtenant", "Acme", "--external-id=acme")
    failed = run("createtenant", "Acme", "--external-id=acme")

    assert made.out == "Tenant Acme made; its external id is acme.\n"
    assert failed.code == 1
    assert "external_id: Tenant with this External id already exists." in failed.err
