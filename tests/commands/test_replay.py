"""replay: deliveries of a time range go out again."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
from django.db import OperationalError

from dispatcher import tasks
from dispatcher.models import Delivery, Replay, Tenant, Webhook
from tests.ended import ended

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def webhook(acme: Tenant) -> Webhook:
    """A webhook of acme."""
    return Webhook.objects.create(tenant=acme, url="https://receiver.example/")


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[uuid.UUID]:
    """The webhooks that were woken up."""
    ids: list[uuid.UUID] = []
    monkeypatch.setattr(tasks, "wake_up", ids.extend)
    return ids


def test_failed_deliveries_of_the_range_go_out_again(webhook, run, woken, now):
    (early,) = ended(webhook, now - dt.timedelta(hours=2), "failed")
    (inside,) = ended(webhook, now, "failed")
    (delivered,) = ended(webhook, now, "delivered")
    (late,) = ended(webhook, now + dt.timedelta(hours=2), "failed")
    since, until = now - dt.timedelta(hours=1), now + dt.timedelta(hours=1)

    answer = run(
        "replay",
        f"--webhook={webhook.pk}",
        f"--since={since.isoformat()}",
        f"--until={until.isoformat()}",
        "--json",
    ).answer

    inside.refresh_from_db()
    assert answer == {"deliveries": 1}
    assert (inside.state, inside.tries, inside.attempt_count) == ("pending", 0, 2)
    others = Delivery.objects.filter(pk__in=[early.pk, delivered.pk, late.pk])
    assert "pending" not in others.values_list("state", flat=True)


def test_states_may_be_chosen_and_a_date_is_enough(webhook, run, woken, now):
    for state in ("failed", "delivered", "cancelled"):
        ended(webhook, now, state)

    ran = run(
        "replay",
        f"--webhook={webhook.pk}",
        "--since=2026-11-20",
        "--state=delivered",
        "--state=cancelled",
    )

    assert ran.out == "2 deliveries go out again.\n"
    assert Delivery.objects.filter(state="pending").count() == 2


def test_a_preview_only_counts(webhook, run, woken, now):
    ended(webhook, now)

    ran = run("replay", f"--webhook={webhook.pk}", "--since=2026-11-20", "--preview")

    assert ran.out == "1 deliveries would go out.\n"
    assert Delivery.objects.get().state == "failed"
    assert woken == []


def test_with_a_rate_the_text_says_where_to_see_how_far_it_is(webhook, run, woken, now):
    ended(webhook, now, many=3)
    flags = [f"--webhook={webhook.pk}", "--since=2026-11-20", "--per-second=1"]

    ran = run("replay", *flags)

    one = Replay.objects.get()
    assert ran.out.endswith(f"/api/v1/replays/{one.pk}\n")
    assert (one.state, one.done, one.created_by) == ("running", 1, "command")


@pytest.mark.parametrize("key", [uuid.uuid4(), "x"])
def test_a_webhook_that_there_is_not_is_a_failure(run, key):
    ran = run("replay", f"--webhook={key}", "--since=2026-11-20", "--json")

    assert (ran.code, ran.fields) == (1, ["webhook"])


@pytest.mark.parametrize(
    "flags",
    [
        ["--since=yesterday"],
        [],
        ["--since=2026-11-20", "--state=pending"],
        ["--since=2026-11-20", "--per-second=0"],
    ],
)
def test_bad_usage_exits_2(webhook, run, flags):
    assert run("replay", f"--webhook={webhook.pk}", *flags).code == 2


def test_a_database_that_fails_is_a_problem_not_a_traceback(run, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(Webhook.objects, "get", fail)

    ran = run("replay", f"--webhook={uuid.uuid4()}", "--since=2026-11-20", "--json")

    assert ran.code == 1
    assert "database is locked" in ran.problem["detail"]
