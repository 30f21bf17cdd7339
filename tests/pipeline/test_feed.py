"""The feed goes by the clock: every 5 minutes, the calls that ended 10 to 5 minutes ago."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from dispatcher.models import Delivery, OwedCdr, Partner, Tenant, Webhook
from dispatcher.pipeline import bundle as bundle_module
from dispatcher.pipeline.accept import accept
from dispatcher.pipeline.subscribe import (
    WebhookDraft,
    create_webhook,
    update_webhook,
)
from dispatcher.pipeline.sweep import overdue_webhooks
from dispatcher.values import Cdr
from tests.pipeline.conftest import claim_now, claim_on, finish

pytestmark = [pytest.mark.db, pytest.mark.django_db]

DAY = dt.date(2026, 11, 20)


def at(text: str) -> dt.datetime:
    """A moment of the day, from "16:55" or "16:55:30"."""
    return dt.datetime.combine(DAY, dt.time.fromisoformat(text), dt.UTC)


@pytest.fixture
def partner(db) -> Partner:
    """A partner of two tenants."""
    partner = Partner.objects.create(name="Operator")
    for name in ("initech", "umbrella"):
        Tenant.objects.create(external_id=name, name=name, partner=partner)
    return partner


@pytest.fixture
def feed_of():
    """feed_of(partner, made="16:40", **settings)."""

    def make(partner: Partner, made: str = "16:40", **settings) -> Webhook:
        draft = WebhookDraft(
            partner=partner,
            style="feed",
            url="https://receiver.example/feed",
            max_in_flight=100,
            **settings,
        )
        return create_webhook(draft, now=at(made))[0]

    return make


def take(
    uid: str, ended: str, accepted: str, tenant: str = "initech", **values
) -> None:
    """A tenant's call that ended and was accepted then."""
    cdr = Cdr(
        uid=uid, started_at=at(ended) - dt.timedelta(minutes=1), ended_at=at(ended)
    )
    cdr = Cdr(**{**_fields(cdr), **values})
    owner = Tenant.objects.get(external_id=tenant)
    accept(owner, [cdr], source="test", now=at(accepted))


def _fields(cdr: Cdr) -> dict[str, Any]:
    return {"uid": cdr.uid, "started_at": cdr.started_at, "ended_at": cdr.ended_at}


def sent(claimed) -> list[tuple[list[str], str, str, str, bool]]:
    """Calls, window start and end, sequence and late of each claimed delivery."""
    found = []
    for item in claimed:
        headers = item.outgoing.request.headers
        items = json.loads(item.outgoing.request.body)["items"]
        assert headers["cdrhook-count"] == str(len(items))
        found.append(
            (
                [entry["Correlation ID"] for entry in items],
                headers["cdrhook-window-start"][11:16],
                headers["cdrhook-window-end"][11:16],
                headers["cdrhook-sequence"],
                "cdrhook-late" in headers,
            )
        )
    return found


def test_at_a_mark_goes_what_ended_10_to_5_minutes_ago(partner, feed_of):
    feed = feed_of(partner)
    take("before", "16:49:59", "16:50")
    (before,) = claim_on(feed, at("16:55"))
    finish(before, 200, at("16:55"))
    take("first", "16:50", "16:50:10")
    take("last", "16:54:59", "16:55:10", tenant="umbrella")
    take("too-new", "16:55", "16:55:20")

    claimed = claim_on(feed, at("17:00"))

    assert sent(claimed) == [(["first", "last"], "16:50", "16:55", "2", False)]


def test_nothing_goes_before_the_mark(partner, feed_of):
    feed = feed_of(partner)
    take("c-1", "16:50", "16:50:10")

    claimed = claim_now(feed, at("16:59:59"))

    assert claimed.runs == ()
    assert claimed.wait_until == at("17:00")


def test_a_feed_whose_mark_has_come_is_swept(partner, feed_of):
    feed = feed_of(partner)
    claim_now(feed, at("16:55"))

    assert overdue_webhooks(at("16:59:59")) == []
    assert overdue_webhooks(at("17:00")) == [(feed.pk, "fast")]


def test_a_call_without_an_end_ended_after_its_duration_or_when_it_was_accepted(
    partner, feed_of
):
    feed = feed_of(partner)
    take("by-duration", "16:49", "16:52", ended_at=None, duration=150)
    take("by-acceptance", "16:40", "16:51", ended_at=None)

    claimed = claim_on(feed, at("17:00"))

    assert sent(claimed) == [
        (["by-duration", "by-acceptance"], "16:50", "16:55", "1", False)
    ]


def test_the_calls_of_all_the_partners_tenants_and_of_no_others_go(
    partner, feed_of, acme
):
    feed = feed_of(partner)
    take("ours", "16:50", "16:51")
    take("theirs", "16:50", "16:51", tenant="acme")

    assert sent(claim_on(feed, at("17:00")))[0][0] == ["ours"]


def test_a_late_call_goes_at_the_next_mark_with_the_window_that_it_belongs_to(
    partner, feed_of
):
    feed = feed_of(partner)
    claim_on(feed, at("17:00"))
    take("late", "16:52", "17:00:01")
    take("in-time", "16:57", "17:00:02")

    assert claim_on(feed, at("17:04:59")) == []
    assert sent(claim_on(feed, at("17:05"))) == [
        (["in-time"], "16:55", "17:00", "1", False),
        (["late"], "16:50", "16:55", "2", True),
    ]


def test_late_calls_of_two_windows_go_in_two_deliveries(partner, feed_of):
    feed = feed_of(partner)
    claim_on(feed, at("17:00"))
    take("older", "16:41", "17:01")
    take("newer", "16:52", "17:01")

    assert sent(claim_on(feed, at("17:05"))) == [
        (["older"], "16:40", "16:45", "1", True),
        (["newer"], "16:50", "16:55", "2", True),
    ]


def test_a_feed_that_wants_no_late_calls_leaves_them_to_the_records_api(
    partner, feed_of
):
    feed = feed_of(partner, late_records="api_only")
    claim_on(feed, at("17:00"))
    take("late", "16:52", "17:00:01")

    assert claim_on(feed, at("17:05")) == []
    assert OwedCdr.objects.get().left_out == "late"


def test_missed_windows_are_made_up_each_by_itself_as_soon_as_the_system_is_back(
    partner, feed_of
):
    feed = feed_of(partner)
    claim_on(feed, at("16:55"))
    for minute in (51, 56, 58):
        take(f"c-{minute}", f"16:{minute}", f"16:{minute}:30")

    assert sent(claim_on(feed, at("17:12"))) == [
        (["c-51"], "16:50", "16:55", "1", False),
        (["c-56", "c-58"], "16:55", "17:00", "2", False),
    ]


def test_a_call_of_a_missed_window_is_not_late(partner, feed_of):
    feed = feed_of(partner)
    claim_on(feed, at("16:55"))
    take("c-1", "16:51", "17:11")

    assert sent(claim_on(feed, at("17:12"))) == [
        (["c-1"], "16:50", "16:55", "1", False)
    ]


def test_late_calls_never_go_before_those_of_now(partner, feed_of, monkeypatch):
    monkeypatch.setattr(bundle_module, "MAX_DELIVERIES", 2)
    feed = feed_of(partner)
    claim_on(feed, at("17:00"))
    for hour in range(10):
        take(f"old-{hour}", f"0{hour}:30", "17:01")
    take("now", "16:56", "17:02")

    found = sent(claim_on(feed, at("17:05")))

    assert found[0] == (["now"], "16:55", "17:00", "1", False)
    assert [entry[0] for entry in found[1:]] == [[f"old-{n}"] for n in range(10)]
    assert all(late for *_, late in found[1:])


def test_a_call_that_comes_late_while_others_go_waits_for_the_mark_after(
    partner, feed_of
):
    feed = feed_of(partner)
    take("old", "15:02", "17:01")
    claim_on(feed, at("17:05"))
    take("late", "15:03", "17:05:01")

    assert claim_on(feed, at("17:05:02")) == []
    assert [entry[0] for entry in sent(claim_on(feed, at("17:10")))][-1] == ["late"]


def test_calls_that_end_in_the_future_count_as_just_ended(partner, feed_of):
    feed = feed_of(partner)
    take("ahead", "19:00", "16:51")
    take("far-ahead", "16:50", "16:52", ended_at=None, duration=2**31 - 1)

    assert sent(claim_on(feed, at("17:00")))[0][0] == ["ahead", "far-ahead"]


def test_a_feed_that_was_off_begins_with_now_and_says_nothing_of_the_time_between(
    partner, feed_of
):
    feed = feed_of(partner, empty_windows=True)
    claim_on(feed, at("16:45"))
    feed = update_webhook(feed, {"active": False}, now=at("16:45"))
    take("dropped", "17:30", "17:31")
    feed = update_webhook(feed, {"active": True}, now=at("20:01"))

    windows = [entry[1] for entry in sent(claim_on(feed, at("20:05")))]
    assert windows[-1] == "19:55"
    assert "17:30" not in windows


def test_a_feed_that_was_off_still_sends_what_it_owed_before(partner, feed_of):
    feed = feed_of(partner, late_records="api_only")
    take("owed", "16:41", "16:42")
    feed = update_webhook(feed, {"active": False}, now=at("16:43"))
    feed = update_webhook(feed, {"active": True}, now=at("20:01"))

    assert sent(claim_on(feed, at("20:01"))) == [
        (["owed"], "16:40", "16:45", "1", False)
    ]


def test_empty_windows_are_not_sent(partner, feed_of):
    feed = feed_of(partner)

    assert claim_on(feed, at("17:00")) == []
    assert not Delivery.objects.exists()


def test_empty_windows_are_sent_where_they_are_asked_for(partner, feed_of):
    feed = feed_of(partner, made="16:51", empty_windows=True)
    take("c-1", "16:56", "16:57")

    assert sent(claim_on(feed, at("17:10"))) == [
        ([], "16:45", "16:50", "1", False),
        ([], "16:50", "16:55", "2", False),
        (["c-1"], "16:55", "17:00", "3", False),
        ([], "17:00", "17:05", "4", False),
    ]


def test_a_window_of_more_calls_than_a_delivery_carries_goes_in_several(
    partner, feed_of, monkeypatch
):
    monkeypatch.setattr(bundle_module, "MAX_ITEMS", 2)
    feed = feed_of(partner, empty_windows=True)
    claim_on(feed, at("16:55"))
    for number in range(4):
        take(f"c-{number}", f"16:50:0{number}", "16:51")

    assert sent(claim_on(feed, at("17:00")))[-2:] == [
        (["c-0", "c-1"], "16:50", "16:55", "4", False),
        (["c-2", "c-3"], "16:50", "16:55", "5", False),
    ]


def test_a_window_of_huge_records_goes_in_deliveries_that_fit_into_memory(
    partner, feed_of, monkeypatch
):
    monkeypatch.setattr(bundle_module, "MAX_CHARS", 25_000)
    feed = feed_of(partner)
    for number in range(5):
        take(f"c-{number}", f"16:50:0{number}", "16:51", extra={"blob": "x" * 10_000})

    assert sent(claim_on(feed, at("17:00"))) == [
        (["c-0", "c-1"], "16:50", "16:55", "1", False),
        (["c-2", "c-3"], "16:50", "16:55", "2", False),
        (["c-4"], "16:50", "16:55", "3", False),
    ]


def test_the_sequence_has_no_gaps_over_late_and_empty_windows(partner, feed_of):
    feed = feed_of(partner)
    for minute in range(0, 60, 7):
        take(f"c-{minute}", f"17:{minute:02}", f"17:{minute:02}:30")
        claim_on(feed, at(f"17:{minute:02}:40"))
    take("late", "16:55", "17:58")
    claim_on(feed, at("18:30"))

    numbers = Delivery.objects.order_by("sequence").values_list("sequence", flat=True)
    assert list(numbers) == list(range(1, len(numbers) + 1))
    assert OwedCdr.objects.filter(delivery__isnull=True).count() == 0


def test_the_billing_feed_has_what_the_partner_sold_and_workspaces(partner, feed_of):
    feed = feed_of(partner, resource="billing")
    take("sold", "16:50", "16:51", sold_by_partner=True)
    take("place", "16:51", "16:52", user_type="Place", sold_by_partner=False)
    take("other", "16:52", "16:53", user_type="User", sold_by_partner=False)
    take("unknown", "16:53", "16:54")

    assert sent(claim_on(feed, at("17:00")))[0][0] == ["sold", "place"]


def test_a_window_that_failed_is_sent_again_with_the_same_bytes_and_headers(
    partner, feed_of
):
    feed = feed_of(partner)
    take("c-1", "16:50", "16:51")
    (item,) = claim_on(feed, at("17:00"))
    finish(item, 500, at("17:00"))

    (again,) = claim_on(feed, at("17:00:03"))

    assert again.delivery_id == item.delivery_id
    assert again.outgoing.request == item.outgoing.request


def test_a_feed_is_signed_for_webex_as_well(partner, feed_of):
    feed = feed_of(partner, secret="any text")
    take("c-1", "16:50", "16:51")

    (item,) = claim_on(feed, at("17:00"))

    assert item.outgoing.spark
    assert item.outgoing.secrets == ("any text",)


def test_a_clock_that_is_set_back_stops_no_feed_and_sends_nothing_twice(
    partner, feed_of
):
    feed = feed_of(partner)
    take("c-1", "16:50", "16:51")
    (item,) = claim_on(feed, at("17:00"))
    finish(item, 200, at("17:00"))
    claim_on(feed, at("16:00"))
    take("c-2", "16:01", "16:01")

    assert sent(claim_on(feed, at("16:10"))) == [
        (["c-2"], "16:00", "16:05", "2", False)
    ]


def test_a_feed_of_an_inactive_webhook_goes_on_where_it_stopped(partner, feed_of):
    feed = feed_of(partner, when_disabled="hold")
    claim_on(feed, at("16:55"))
    Webhook.objects.update(active=False)
    take("c-1", "16:51", "16:52")
    assert overdue_webhooks(at("17:30")) == []
    Webhook.objects.update(active=True)

    assert sent(claim_on(feed, at("17:30"))) == [
        (["c-1"], "16:50", "16:55", "1", False)
    ]
