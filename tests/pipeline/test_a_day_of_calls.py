"""A scripted day: 10,000 calls of several tenants and zones, and it all adds up.

From noon to noon (UTC) around the night in which Europe sets its clocks back. Calls
come up to three hours late, or twice; receivers fail now and then; nothing is sent for
20 minutes around the change. No clock is read: the script says what time it is.
"""

from __future__ import annotations

import datetime as dt
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dispatcher.models import Delivery, OwedCdr, Partner, StoredCdr, Tenant, Webhook
from dispatcher.payloads import feed
from dispatcher.pipeline.accept import accept
from dispatcher.pipeline.claim import Claimed, claim
from dispatcher.pipeline.reconcile import count_by_org, records_of_org
from dispatcher.pipeline.record import Ended, record
from dispatcher.pipeline.subscribe import WebhookDraft, create_webhook
from dispatcher.pipeline.sweep import overdue_webhooks
from dispatcher.values import Caller, Cdr, Filter, Line, Recording
from tests.pipeline.conftest import ROOM, answer

# On one database only, for it takes long: what it adds up is the same on both.
pytestmark = pytest.mark.django_db

NOON = dt.datetime(2026, 10, 24, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(hours=24)
# Late records have been sent, and every retry is over, by then.
EVENING = NOON + DAY + dt.timedelta(hours=5)
STEP = dt.timedelta(minutes=5)
SENDING_STOPS = dt.datetime(2026, 10, 25, 0, 50, tzinfo=dt.UTC)
SENDING_GOES_ON = SENDING_STOPS + dt.timedelta(minutes=20)
CALLS = 10_000
ZONES = {
    "london": "Europe/London",
    "berlin": "Europe/Berlin",
    "kolkata": "Asia/Kolkata",
    "sao-paulo": "America/Sao_Paulo",
}


@dataclass
class Received:
    """What one webhook's receiver has confirmed, in that order."""

    deliveries: dict[str, Claimed] = field(default_factory=dict)

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(d.outgoing.request.body) for d in self.deliveries.values()]

    def items(self) -> list[dict[str, Any]]:
        return [item for body in self.bodies() for item in body["items"]]


class Day:
    """The cast, the script, and what came of it."""

    def __init__(self) -> None:
        self.random = random.Random(20261025)  # noqa: S311  a script
        operator = Partner.objects.create(name="Operator")
        reseller = Partner.objects.create(name="Reseller")
        self.tenants = {
            name: Tenant.objects.create(
                external_id=name,
                name=name,
                time_zone=zone,
                partner=reseller if name == "sao-paulo" else operator,
            )
            for name, zone in ZONES.items()
        }
        self.operator, self.reseller = operator, reseller
        london, berlin = self.tenants["london"], self.tenants["berlin"]
        inbound = Filter("dir", "eq", "inbound")
        self.webhooks = {
            "analytics": _webhook(partner=operator, style="feed"),
            "billing": _webhook(partner=reseller, style="feed", resource="billing"),
            "batch": _webhook(tenant=london, style="batch", batch_size=25),
            "envelope": _webhook(tenant=berlin, filters=(inbound,)),
        }
        self.received = {name: Received() for name in self.webhooks}
        self.taken = Counter[str]()
        self.sent_at: dict[str, dt.datetime] = {}

    def play(self) -> None:
        """Runs the script to its end."""
        script = sorted(self._arrivals(), key=lambda entry: entry[0])
        position, now = 0, NOON
        while now <= EVENING:
            arrived: dict[str, list[Cdr]] = {}
            while position < len(script) and script[position][0] <= now:
                _, tenant, cdr = script[position]
                arrived.setdefault(tenant, []).append(cdr)
                position += 1
            for tenant, cdrs in arrived.items():
                taken = accept(self.tenants[tenant], cdrs, source="test", now=now)
                self.taken["accepted"] += taken.accepted
                self.taken["duplicates"] += taken.duplicates
            if not SENDING_STOPS <= now < SENDING_GOES_ON:
                self._send(now)
            now += STEP

    def _arrivals(self):
        """(when, tenant, CDR) of every time that a call is handed over."""
        for number in range(CALLS):
            tenant = self.random.choice(sorted(ZONES))
            cdr = self._cdr(number, tenant)
            when = _ended(cdr) + dt.timedelta(seconds=self.random.uniform(0, 30))
            if self.random.random() < 0.02:
                when += dt.timedelta(minutes=self.random.uniform(5, 180))
            yield when, tenant, cdr
            if self.random.random() < 0.02:
                again = dt.timedelta(minutes=self.random.uniform(0, 60))
                yield when + again, tenant, cdr

    def _cdr(self, number: int, tenant: str) -> Cdr:
        zone = ZoneInfo(ZONES[tenant])
        started = NOON + DAY * self.random.random()
        duration = self.random.randrange(0, 900)
        recorded = self.random.random() < 0.1
        return Cdr(
            uid=f"call-{number}",
            time_zone=ZONES[tenant],
            started_at=started.replace(microsecond=0).astimezone(zone),
            duration=duration,
            direction=self.random.choice(["inbound", "outbound"]),
            caller=Caller(number=f"+4420794{number:05}", name='Zoë "Z" +'),
            dialed=Line(number="+441632960001"),
            recordings=(Recording(id=f"r-{number}"),) if recorded else None,
            sold_by_partner=self.random.choice([True, False, None]),
            user_type=self.random.choice(["User", "Place"]),
        )

    def _send(self, now: dt.datetime) -> None:
        """What a worker does at `now`: whoever is swept up is sent until it is quiet."""
        due = {webhook for webhook, _ in overdue_webhooks(now)}
        for name, webhook in self.webhooks.items():
            while webhook.pk in due and self._drain(name, webhook, now):
                pass

    def _drain(self, name: str, webhook: Webhook, now: dt.datetime) -> bool:
        """Sends what there is; False: there is nothing more to send now."""
        claimed = claim(webhook.pk, now=now, capacity=ROOM)
        assert claimed is not None
        items = [item for run in claimed.runs for item in run]
        record([Ended(item, self._answer(name, item, now)) for item in items], now=now)
        return bool(items) or claimed.wait_until == now

    def _answer(self, name: str, item: Claimed, now: dt.datetime):
        if item.tries == 0 and self.random.random() < 0.04:
            return answer(500, now)
        key = str(item.delivery_id)
        assert key not in self.received[name].deliveries
        self.received[name].deliveries[key] = item
        self.sent_at[key] = now
        return answer(200, now)


def _ended(cdr: Cdr) -> dt.datetime:
    """When it ended; added in UTC, where no hour comes twice."""
    assert cdr.duration is not None
    return cdr.started_at.astimezone(dt.UTC) + dt.timedelta(seconds=cdr.duration)


def _webhook(**settings) -> Webhook:
    draft = WebhookDraft(
        url="https://receiver.example/", retries=10, max_in_flight=100, **settings
    )
    webhook, _ = create_webhook(draft, now=NOON)
    return webhook


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


@pytest.fixture
def day(db) -> Day:
    """The day, played."""
    played = Day()
    played.play()
    return played


def test_a_day_of_calls_adds_up(day):
    check_what_was_taken(day)
    check_windows(day)
    check_feeds(day)
    check_reconciliation(day)
    check_batches(day)
    check_one_by_one(day)


def check_what_was_taken(day):
    assert day.taken["accepted"] == StoredCdr.objects.count() == CALLS
    assert day.taken["duplicates"] > 100
    assert not OwedCdr.objects.filter(delivery__isnull=True).exists()
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}


def check_windows(day):
    """Each window once, in sequence, late ones marked, missed ones made up."""
    for name in ("analytics", "billing"):
        seen, numbers, late = set(), [], 0
        for key, item in day.received[name].deliveries.items():
            headers = item.outgoing.request.headers
            body = json.loads(item.outgoing.request.body)
            start = _moment(headers["cdrhook-window-start"])
            end = _moment(headers["cdrhook-window-end"])
            assert end - start == dt.timedelta(minutes=5)
            assert headers["cdrhook-count"] == str(len(body["items"]))
            ends = [_moment(entry["Release time"]) for entry in body["items"]]
            assert all(start <= ended < end for ended in ends)
            numbers.append(int(headers["cdrhook-sequence"]))
            if "cdrhook-late" in headers:
                late += 1
            else:
                assert start not in seen
                seen.add(start)
                _check_in_time(end, day.sent_at[key])
        assert sorted(numbers) == list(range(1, len(numbers) + 1))
        assert late > 20


def _check_in_time(end: dt.datetime, sent_at: dt.datetime) -> None:
    """At the mark 5 minutes after its end, or as soon as sending went on."""
    mark = end + dt.timedelta(minutes=5)
    if SENDING_STOPS <= mark < SENDING_GOES_ON:
        mark = SENDING_GOES_ON
    assert mark <= sent_at <= mark + STEP  # a step more where the first try failed


def check_feeds(day):
    """Every call of the partner once; in the billing feed, those that are billed."""
    analytics = [item["Report ID"] for item in day.received["analytics"].items()]
    ours = StoredCdr.objects.filter(tenant__partner=day.operator)
    assert Counter(analytics) == Counter(map(str, ours.values_list("pk", flat=True)))
    billing = {item["Correlation ID"] for item in day.received["billing"].items()}
    theirs = StoredCdr.objects.filter(tenant__partner=day.reseller)
    records = [json.loads(text) for text in theirs.values_list("record", flat=True)]
    assert len(day.received["billing"].items()) == len(billing)
    assert billing == {
        entry["uid"]
        for entry in records
        if entry.get("sold_by_partner") or entry["user_type"] == "Place"
    }


def check_reconciliation(day):
    """Hour by hour, counts and records are those that the analytics feed sent."""
    sent = day.received["analytics"].items()
    start = NOON
    counted = 0
    while start < EVENING:
        end = start + dt.timedelta(hours=1)
        here = [e for e in sent if start <= _moment(e["Release time"]) < end]
        by_org = Counter(entry["Org UUID"] for entry in here)
        counts = count_by_org(day.operator, start, end, 1).items
        assert {count.org_id: count.count for count in counts} == by_org
        counted += sum(by_org.values())
        for org in by_org:
            mine = [entry for entry in here if entry["Org UUID"] == org]
            assert _records(day.tenants[org], start, end) == {
                entry["Report ID"]: entry for entry in mine
            }
        start = end
    assert counted == len(sent)


def _records(
    tenant: Tenant, start: dt.datetime, end: dt.datetime
) -> dict[str, dict[str, Any]]:
    page = records_of_org(tenant, start, end, 1)
    assert page.pages == 1
    items = json.loads(json.dumps([feed.item(carried) for carried in page.items]))
    return {item["Report ID"]: item for item in items}


def check_batches(day):
    """London's calls once each, at most 25 together, in local time on both sides."""
    bodies = day.received["batch"].bodies()
    sent = [entry for body in bodies for entry in body["cdrs"]]
    calls = StoredCdr.objects.filter(tenant=day.tenants["london"])
    started = dict(calls.values_list("uid", "started_at"))
    zone = ZoneInfo("Europe/London")
    assert {entry["uniqueid"]: entry["start_time"] for entry in sent} == {
        uid: f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}" for uid, at in started.items()
    }
    assert len(sent) == len(started)
    assert max(len(body["cdrs"]) for body in bodies) == 25


def check_one_by_one(day):
    """Berlin's inbound calls once each, in the record's zone, before and after."""
    sent = [body["cdr"] for body in day.received["envelope"].bodies()]
    calls = StoredCdr.objects.filter(tenant=day.tenants["berlin"], direction="inbound")
    assert {cdr["id"]: _moment(cdr["start"]) for cdr in sent} == dict(
        calls.values_list("uid", "started_at")
    )
    assert len(sent) == calls.count()
    assert {cdr["start"][-6:] for cdr in sent} == {"+02:00", "+01:00"}
