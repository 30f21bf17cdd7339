"""Many calls in one request, and the same calls in two at once."""

from __future__ import annotations

import datetime as dt
import threading

import pytest
from django.db import connection, transaction
from django.forms.models import model_to_dict

from dispatcher.adapters import cdr_json
from dispatcher.models import Delivery, OwedCdr, StoredCdr
from dispatcher.models.insert import MANY
from dispatcher.pipeline.accept import accept
from dispatcher.values import Caller, Line
from tests.pipeline.conftest import call

pytestmark = pytest.mark.db

# Many go another way into PostgreSQL than a few do.
FEW_AND_MANY = (10, MANY + 50)
AWKWARD = ['"', "\\", "\\N", "\t\n\r", "{,}", "NULL", "%s %b", "Zoë 😀", "\x7f", ""]


@pytest.mark.django_db
@pytest.mark.parametrize("count", FEW_AND_MANY)
def test_whatever_text_a_call_holds_is_stored_as_it_came(acme, take, count):
    texts = [AWKWARD[n % len(AWKWARD)] for n in range(count)]
    calls = [
        call(f"c-{n:03}", dialed=Line(number=text), caller=Caller(name=text))
        for n, text in enumerate(texts)
    ]

    assert take(acme, *calls).accepted == len(calls)

    stored = StoredCdr.objects.order_by("id")
    assert [cdr_json.load(row.record) for row in stored] == calls
    assert [row.dialed_number for row in stored] == texts


@pytest.mark.django_db
def test_each_of_many_calls_keeps_its_own_values(acme, webhook_of, take, now):
    first, second = webhook_of(acme), webhook_of(acme)
    started = dt.datetime(2026, 11, 20, 9, 0, tzinfo=dt.UTC)
    ends = {f"c-{n:03}": started + dt.timedelta(seconds=n) for n in range(300)}

    take(
        acme,
        *(
            call(uid, ended_at=end, duration=None if end == started else 1)
            for uid, end in ends.items()
        ),
    )

    rows = OwedCdr.objects.values_list(
        *("cdr__uid", "cdr__call_end", "delivery__call_end", "delivery__tenant"),
        *("webhook", "delivery__webhook"),
    )
    assert sorted(rows) == sorted(
        (uid, end, end, acme.pk, webhook.pk, webhook.pk)
        for uid, end in ends.items()
        for webhook in (first, second)
    )
    assert set(StoredCdr.objects.values_list("tenant", "source", "accepted_at")) == {
        (acme.pk, "test", now)
    }
    assert StoredCdr.objects.get(duration=None).uid == "c-000"


@pytest.mark.django_db
@pytest.mark.parametrize("count", FEW_AND_MANY)
def test_a_delivery_begins_as_its_model_says(acme, webhook_of, take, now, count):
    webhook_of(acme)

    take(acme, *(call(f"c-{n}") for n in range(count)))

    deliveries = list(Delivery.objects.select_related("webhook"))
    assert len(deliveries) == count
    for made in deliveries:
        new = Delivery(
            id=made.id,
            webhook=made.webhook,
            tenant=acme,
            created_at=now,
            next_attempt_at=now,
            call_end=made.call_end,
        )
        assert model_to_dict(made) == model_to_dict(new)


@pytest.mark.django_db
@pytest.mark.parametrize("count", FEW_AND_MANY)
def test_what_is_new_among_many_that_are_known_is_all_that_is_owed(
    acme, webhook_of, take, count
):
    known = [call(f"c-{n}") for n in range(count)]
    take(acme, *known)
    webhook_of(acme)

    taken = take(acme, *known, call("new"), call("c-7", duration=61), call("new"))

    assert (taken.accepted, taken.duplicates) == (2, count + 1)
    assert OwedCdr.objects.get().cdr.uid == "new"


@pytest.mark.django_db
def test_a_call_that_fits_several_webhooks_wakes_each_of_them_once(
    acme, webhook_of, take
):
    webhooks = {webhook_of(acme).pk for _ in range(3)}

    taken = take(acme, *(call(f"c-{n}") for n in range(50)))

    assert len(taken.wake) == 3
    assert set(taken.wake) == webhooks
    assert Delivery.objects.count() == 150


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("count", FEW_AND_MANY)
def test_the_same_calls_in_two_requests_at_once_are_taken_once(
    acme, webhook_of, now, count
):
    webhook_of(acme)
    calls = [call(f"c-{n}") for n in range(count)]
    taken = []

    def second() -> None:
        # In another order: two requests must not wait for each other.
        taken.append(accept(acme, calls[::-1], source="test", now=now))
        connection.close()

    with transaction.atomic():
        taken.append(accept(acme, calls, source="test", now=now))
        other = threading.Thread(target=second)
        other.start()
        other.join(0.2)  # it waits for this transaction, however long that is
    other.join()

    assert [one.accepted for one in taken] == [count, 0]
    assert (StoredCdr.objects.count(), Delivery.objects.count()) == (count, count)
