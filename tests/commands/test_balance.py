"""balance: whether what came in and what became of it add up, said and checked."""

from __future__ import annotations

import pytest
from django.utils import timezone

from dispatcher.adapters.base import Read
from dispatcher.models import Source, StoredCdr, Webhook, WebhookFilter
from dispatcher.pipeline.accept import accept
from dispatcher.pipeline.ingest import Origin, store
from tests.normalise.test_joining import a_leg
from tests.pipeline.conftest import call

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def received(acme, globex):
    """Two calls of acme's, one of which its webhook does not want; globex has none."""
    webhook = Webhook.objects.create(tenant=acme, url="https://receiver.example/")
    WebhookFilter.objects.create(webhook=webhook, field="dir", op="eq", value="inbound")
    calls = [call("c-1"), call("c-2", direction="outbound")]
    accept(acme, calls, source="test", now=timezone.now(), rejected=1)
    return webhook


def test_it_answers_for_every_tenant(received, run):
    answer = run("balance", "--json").answer

    assert answer["balanced"] is True
    acme, globex = answer["tenants"]
    assert (acme["totals"]["received"], acme["totals"]["rejected"]) == (3, 1)
    [webhook] = acme["totals"]["webhooks"]
    assert (webhook["webhook"], webhook["pending"]) == (str(received.pk), 1)
    assert webhook["filtered"] == [{"filter": "dir:eq:inbound", "count": 1}]
    assert (globex["tenant"], globex["hours"]) == ("globex", [])


def test_it_answers_for_one_tenant(received, run):
    answer = run("balance", "--tenant", "globex", "--json").answer

    assert [tenant["tenant"] for tenant in answer["tenants"]] == ["globex"]


def test_it_tells_people_as_well(received, run):
    text = run("balance", "--tenant", "acme").out

    assert (
        "3 received, 2 accepted, 0 revised, 0 duplicates, 0 joined, 1 rejected" in text
    )
    assert "1 matched, 1 filtered, 0 dropped" in text
    assert "filtered out by dir:eq:inbound: 1" in text
    assert "It adds up." in text


def test_it_tells_of_legs_that_wait(acme, run):
    source = Source.objects.create(
        tenant=acme, name="pbx", pbx="freeswitch", legs="per_call"
    )
    store(acme, [Read(a_leg())], Origin("freeswitch", source), now=timezone.now())

    told = run("balance", "--tenant", "acme")
    answer = run("balance", "--tenant", "acme", "--json").answer

    assert "legs that wait for the others of their calls: 1\n" in told.out
    assert answer["tenants"][0]["legs_waiting"] == 1
    assert (answer["balanced"], answer["tenants"][0]["hours"]) == (True, [])


def test_with_check_it_succeeds_where_it_adds_up(received, run):
    assert run("balance", "--check").code == 0


def test_with_check_it_fails_where_it_does_not(received, run):
    StoredCdr.objects.filter(uid="c-1").delete()

    ran = run("balance", "--check", "--json")

    assert ran.code == 1
    assert ran.answer["balanced"] is False
    assert ran.problem["detail"] == "The balance does not add up."


def test_without_check_it_says_so_and_succeeds(received, run):
    StoredCdr.objects.filter(uid="c-1").delete()

    ran = run("balance")

    assert ran.code == 0
    assert "accepted: 2 counted, 1 found" in ran.out
    assert "It does NOT add up." in ran.out


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["--since", "2026-01-01", "--until", "2025-12-31"], "since"),
        (["--since", "2025-12-01", "--until", "2026-01-02"], "until"),
        (["--tenant", "nobody"], "tenant"),
    ],
)
def test_what_cannot_be_asked_for_is_named(received, run, arguments, field):
    ran = run("balance", *arguments, "--json")

    assert ran.code == 1
    assert ran.fields == [field]


@pytest.mark.parametrize(
    "end", ["--since=0001-01-01", "--until=9999-12-31T23:30", "--until=0001-01-01"]
)
def test_a_time_at_the_calendars_end_is_bad_usage(received, run, end):
    assert run("balance", end).code == 2
