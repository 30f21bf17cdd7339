"""The coordinator: nothing waits for a receiver, nothing is started twice."""

from __future__ import annotations

import datetime as dt
import threading
from collections import defaultdict
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from django.db import DatabaseError

from dispatcher.models import Attempt, Delivery, Lease, Webhook
from dispatcher.pipeline import drain as drain_module
from dispatcher.pipeline.claim import claim_together as really_claim
from dispatcher.pipeline.drain import Drainer
from dispatcher.pipeline.record import record as really_record
from dispatcher.pipeline.timers import Timers
from tests.pipeline.conftest import answer, call
from tests.programs import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dispatcher.values import Outcome, Outgoing

pytestmark = [pytest.mark.db, pytest.mark.django_db(transaction=True)]


def utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Sending:
    """Stands in for the sending room: answers 200 unless told otherwise."""

    def __init__(self) -> None:
        self.answers: dict[str, list[int]] = defaultdict(list)
        self.blocked: dict[str, threading.Event] = {}
        self.sent: list[str] = []

    def __call__(self, outgoing: Outgoing) -> Outcome:
        self.sent.append(outgoing.url)
        if outgoing.url in self.blocked:
            self.blocked[outgoing.url].wait(20)
        answers = self.answers[outgoing.url]
        return answer(answers.pop(0) if answers else 200, utc_now())


@pytest.fixture
def sending() -> Iterator[Sending]:
    sending = Sending()
    yield sending
    for event in sending.blocked.values():
        event.set()


@pytest.fixture
def passed_on() -> list[tuple[object, ...]]:
    return []


@pytest.fixture
def drainer_of(
    sending: Sending, passed_on: list[tuple[object, ...]]
) -> Callable[..., Drainer]:
    """drainer_of(fast=2, slow=2): one with so many threads a lane, not started."""

    def make(**threads: int) -> Drainer:
        return Drainer(
            send=sending,
            clock=utc_now,
            threads=threads,
            pass_on=lambda *args: passed_on.append(args),
        )

    return make


@pytest.fixture
def drainer(sending: Sending, drainer_of: Callable[..., Drainer]) -> Iterator[Drainer]:
    drainer = drainer_of(fast=8, slow=8)
    drainer.start()
    yield drainer
    for event in sending.blocked.values():
        event.set()
    drainer.stop(10)


def states() -> set[str]:
    return set(Delivery.objects.values_list("state", flat=True))


def test_it_goes_on_by_itself_until_nothing_is_due(
    acme, webhook_of, take, drainer, sending
):
    webhook = webhook_of(acme)
    take(acme, *(call(f"c-{n}") for n in range(120)))

    drainer.drain(webhook.pk)

    wait_for("the end of the backlog", lambda: states() == {"delivered"})
    assert len(sending.sent) == 120
    assert Attempt.objects.count() == 120


def test_a_webhook_that_cannot_be_claimed_does_not_hold_up_the_others(
    acme, webhook_of, take, drainer, sending, monkeypatch
):
    broken = webhook_of(acme, url="https://broken.example/")
    sound = webhook_of(acme, url="https://sound.example/")
    take(acme, call("c-1"))

    def claim(webhook_ids, **rest):
        if broken.pk in webhook_ids:
            raise ValueError("no such style")
        return really_claim(webhook_ids, **rest)

    monkeypatch.setattr(drain_module, "claim_together", claim)

    drainer.drain(broken.pk, sound.pk)

    wait_for(
        "the sound webhook's delivery",
        lambda: not sound.deliveries.filter(state="pending").exists(),
        5,
    )
    assert sending.sent == [sound.url]


def test_those_known_to_be_fast_do_not_queue_behind_very_many_others(drainer_of):
    drainer = drainer_of(fast=8)
    others, fast = [uuid4() for _ in range(100)], [uuid4() for _ in range(30)]
    drainer._known_fast = set(fast)
    drainer._dirty = dict.fromkeys([*others, *fast])

    chosen = drainer._next_ones()

    assert chosen == [*fast[:15], *others[:5]]


def test_it_retries_when_the_time_has_come_without_being_woken_up_again(
    acme, webhook_of, take, drainer, sending
):
    webhook = webhook_of(acme)
    sending.answers[webhook.url] = [500, 200]
    take(acme, call("c-1"))

    drainer.drain(webhook.pk)

    wait_for("the retry", lambda: states() == {"delivered"}, 5)
    first, second = Attempt.objects.order_by("number")
    assert 2 <= (second.started_at - first.ended_at).total_seconds() < 3


def test_a_webhook_that_hangs_does_not_hold_up_another(
    acme, webhook_of, take, drainer, sending
):
    hanging = webhook_of(acme, url="https://hanging.example/")
    healthy = webhook_of(acme, url="https://healthy.example/")
    sending.blocked[hanging.url] = threading.Event()
    take(acme, *(call(f"c-{n}") for n in range(30)))

    drainer.drain(hanging.pk)
    drainer.drain(healthy.pk)

    wait_for(
        "the healthy webhook's deliveries",
        lambda: not healthy.deliveries.filter(state="pending").exists(),
        5,
    )
    assert sending.sent.count(hanging.url) <= hanging.max_in_flight


def test_a_fast_webhook_that_starts_to_hang_goes_to_the_slow_lane_at_once(
    acme, webhook_of, take, drainer, sending
):
    webhook = webhook_of(acme, quick_answers=20, answer_ms=1, max_in_flight=1)
    sending.blocked[webhook.url] = threading.Event()
    take(acme, *(call(f"c-{n}") for n in range(10)))

    drainer.drain(webhook.pk)

    wait_for("the slow lane", lambda: Webhook.objects.get().lane == "slow", 5)
    wait_for(
        "the rest of the run to be handed back",
        lambda: len(Lease.objects.get().deliveries) == 1,
        5,
    )
    sending.blocked[webhook.url].set()
    wait_for("the end", lambda: states() == {"delivered"})


@pytest.fixture
def stopped_midway(acme, webhook_of, take, sending, drainer_of) -> Webhook:
    """A webhook whose run of two was in its first request when its worker stopped."""
    webhook: Webhook = webhook_of(acme, quick_answers=20, answer_ms=1, max_in_flight=1)
    gate = sending.blocked[webhook.url] = threading.Event()
    take(acme, call("c-1"), call("c-2"))
    drainer = drainer_of(fast=8)
    drainer.start()
    drainer.drain(webhook.pk)
    wait_for("the first request", lambda: len(sending.sent) == 1)

    threading.Timer(0.3, gate.set).start()
    drainer.stop(5)
    return webhook


def test_a_warm_stop_records_what_is_in_flight_and_hands_the_rest_back(stopped_midway):
    assert sorted(Delivery.objects.values_list("state", flat=True)) == [
        "delivered",
        "pending",
    ]
    assert not Lease.objects.exists()


def test_results_that_the_database_did_not_take_are_recorded_later(
    acme, webhook_of, take, drainer, monkeypatch
):
    webhook = webhook_of(acme)
    take(acme, call("c-1"))
    failures = [DatabaseError("away"), DatabaseError("still away")]

    def record(*args, **kwargs):
        if failures:
            raise failures.pop()
        return really_record(*args, **kwargs)

    monkeypatch.setattr(drain_module, "record", record)

    drainer.drain(webhook.pk)

    wait_for("the record", lambda: states() == {"delivered"}, 10)
    assert Attempt.objects.count() == 1


def test_a_webhook_of_a_lane_that_is_served_elsewhere_is_passed_on(
    acme, webhook_of, take, sending, passed_on, drainer_of
):
    webhook = webhook_of(acme, lane="slow")
    take(acme, call("c-1"))
    drainer = drainer_of(fast=8)
    drainer.start()

    drainer.drain(webhook.pk)

    wait_for("passing on", lambda: bool(passed_on), 5)
    drainer.stop(5)
    assert passed_on == [([webhook.pk], "slow", 0.0)]


def test_a_backlog_does_not_keep_a_call_of_another_webhook_waiting(
    acme, webhook_of, take, sending, drainer_of
):
    big = webhook_of(acme, url="https://big.example/", max_in_flight=1)
    take(acme, *(call(f"c-{n}") for n in range(15)))
    small = webhook_of(acme, url="https://small.example/")
    take(acme, call("alone"))
    drainer = drainer_of(fast=1)
    drainer.drain(big.pk)
    drainer.drain(small.pk)
    drainer.start()

    wait_for("the small one", lambda: small.url in sending.sent, 10)
    drainer.stop(5)
    assert sending.sent.index(small.url) < 5


def test_room_that_a_straggler_leaves_is_given_to_who_waits_for_it(
    acme, webhook_of, take, sending, drainer_of
):
    hanging = webhook_of(acme, url="https://hanging.example/", max_in_flight=2)
    sending.blocked[hanging.url] = threading.Event()
    take(acme, call("c-1"), call("c-2"))
    healthy = webhook_of(acme, url="https://healthy.example/")
    take(acme, call("c-3"))
    drainer = drainer_of(fast=2, slow=2)
    drainer.drain(hanging.pk)
    drainer.drain(healthy.pk)
    drainer.start()

    wait_for("the healthy one", lambda: healthy.url in sending.sent, 3)
    sending.blocked[hanging.url].set()
    drainer.stop(5)


def test_a_warm_stop_tells_others_what_is_left_to_do(stopped_midway, passed_on):
    assert [one for ids, *_ in passed_on for one in ids] == [stopped_midway.pk]


def test_timers_ring_once_at_the_earliest_time_asked_for(acme, globex):
    timers = Timers()
    timers.arm(acme.pk, 60)
    timers.arm(acme.pk, 0)
    timers.arm(globex.pk, 30)

    assert timers.rung() == {acme.pk}
    assert timers.rung() == set()
    assert set(timers.armed()) == {globex.pk}
