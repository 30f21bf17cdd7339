"""purge: old deliveries are deleted, and the command says how many."""

from __future__ import annotations

import datetime as dt
import io
from types import SimpleNamespace

import pytest

from dispatcher.management.commands import purge
from dispatcher.models import Attempt, Delivery, Webhook

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def ended(acme, globex, now):
    """A delivery of each tenant that has arrived, with its attempt."""
    for tenant in (acme, globex):
        webhook = Webhook.objects.create(tenant=tenant, url="https://receiver.example/")
        delivery = Delivery.objects.create(
            webhook=webhook,
            tenant=tenant,
            state="delivered",
            created_at=now,
            call_end=now,
            ended_at=now,
            tries=1,
            attempt_count=1,
        )
        Attempt.objects.create(
            delivery=delivery, number=1, started_at=now, ended_at=now, duration_ms=1
        )


class Terminal(io.StringIO):
    """Somebody looks at it."""

    def isatty(self) -> bool:
        """So that it says how far it is."""
        return True


def soon() -> str:
    """After everything that was made here, whose ids bear the real time."""
    return (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1)).isoformat()


def test_it_deletes_what_ended_before_and_counts_it(ended, run):
    ran = run("purge", f"--before={soon()}", "--json")

    assert ran.answer == {"deliveries": 2, "attempts": 2}
    assert ran.err == ""
    assert not Delivery.objects.exists()


def test_it_can_be_told_whose(ended, run, acme):
    ran = run("purge", f"--before={soon()}", "--tenant=acme")

    assert ran.out == "1 deliveries and 1 attempts are gone.\n"
    assert not acme.deliveries.exists()
    assert Delivery.objects.count() == 1


def test_a_date_is_enough_and_nothing_may_be_that_old(ended, run):
    assert run("purge", "--before=2020-01-01", "--json").answer == {
        "deliveries": 0,
        "attempts": 0,
    }


def test_on_a_terminal_it_says_how_far_it_is(ended, run, monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(purge, "sys", SimpleNamespace(stderr=screen))

    ran = run("purge", f"--before={soon()}", "--json")

    assert "2 deliveries purged" in screen.getvalue()
    assert ran.answer["deliveries"] == 2


def test_a_tenant_that_there_is_not_is_a_failure(run):
    ran = run("purge", "--before=2026-11-20", "--tenant=nobody", "--json")

    assert (ran.code, ran.fields) == (1, ["tenant"])


@pytest.mark.parametrize("flags", [[], ["--before=yesterday"], ["--tenant=acme"]])
def test_bad_usage_exits_2(acme, run, flags):
    assert run("purge", *flags).code == 2
