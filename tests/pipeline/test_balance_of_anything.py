"""Whatever comes in, in whatever order: it adds up, and to what was answered."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatcher.models import Delivery, StoredCdr, Tenant, Webhook, WebhookFilter
from dispatcher.pipeline.accept import accept
from dispatcher.pipeline.balance import note_gone
from dispatcher.pipeline.bundle import bundle
from dispatcher.pipeline.ingest import Origin, ingest
from dispatcher.pipeline.subscribe import delete_webhook
from dispatcher.pipeline.sum_up import sum_up
from tests.pipeline.conftest import call
from tests.pipeline.ledger import told

if TYPE_CHECKING:
    from uuid import UUID

pytestmark = [pytest.mark.db, pytest.mark.django_db]

UIDS = st.sampled_from(["a", "b", "c", "d"])
RECORDS = st.lists(
    st.builds(
        call,
        UIDS,
        duration=st.sampled_from([1, 60]),
        direction=st.sampled_from(["inbound", "outbound"]),
    ),
    max_size=6,
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("accept"), RECORDS, st.integers(0, 2)),
        st.tuples(st.just("quarantine"), st.sampled_from([b"x", b"y"])),
        st.tuples(st.just("webhook"), st.sampled_from(["flat", "batch"])),
        st.tuples(st.just("switch"), st.sampled_from(["drop", "hold"])),
        st.tuples(st.just("end"), st.sampled_from(["delivered", "failed"])),
        st.tuples(st.just("bundle")),
        st.tuples(st.just("delete a webhook")),
        st.tuples(st.just("delete calls"), UIDS),
        st.tuples(st.just("sum up")),
    ),
    max_size=12,
)


class _World:
    """Does what it is told for one of two tenants, and keeps count of the answers."""

    def __init__(self) -> None:
        self.tenants = [
            Tenant.objects.create(external_id=name, name=name) for name in ("t", "u")
        ]
        self.answers: dict[UUID, Counter[str]] = {
            tenant.pk: Counter() for tenant in self.tenants
        }

    def do(self, tenant, word, *arguments) -> None:
        getattr(self, f"_{word.replace(' ', '_')}")(tenant, *arguments)

    def _accept(self, tenant, records, rejected) -> None:
        now = timezone.now()
        taken = accept(tenant, records, source="api", now=now, rejected=rejected)
        self.answers[tenant.pk].update(
            accepted=taken.accepted, duplicates=taken.duplicates, rejected=rejected
        )

    def _quarantine(self, tenant, body) -> None:
        taken = ingest(tenant, body, Origin("freeswitch"), now=timezone.now())
        self.answers[tenant.pk].update(quarantined=taken.quarantined)

    def _webhook(self, tenant, style) -> None:
        webhook = Webhook.objects.create(
            tenant=tenant, url="https://r.example", style=style, on_update=True
        )
        for field, value in (("dir", "inbound"), ("dur", "60")):
            WebhookFilter.objects.create(
                webhook=webhook, field=field, op="eq", value=value
            )

    def _switch(self, tenant, when_disabled) -> None:
        newest = tenant.webhooks.filter(deleted_at=None).order_by("-pk").first()
        if newest is not None:
            newest.active, newest.when_disabled = not newest.active, when_disabled
            newest.save()

    def _end(self, tenant, state) -> None:
        pending = Delivery.objects.filter(tenant=tenant, state="pending")
        pending.update(state=state, next_attempt_at=None, ended_at=timezone.now())

    def _bundle(self, tenant) -> None:
        for webhook in tenant.webhooks.filter(style="batch"):
            with transaction.atomic():
                bundle(webhook, timezone.now() + dt.timedelta(hours=1))

    def _delete_a_webhook(self, tenant) -> None:
        webhook = tenant.webhooks.filter(deleted_at=None).first()
        if webhook is not None:
            delete_webhook(webhook, now=timezone.now())

    def _delete_calls(self, tenant, uid) -> None:
        calls = StoredCdr.objects.filter(tenant=tenant, uid=uid)
        note_gone(tenant, list(calls.values_list("pk", flat=True)))
        calls.delete()

    def _sum_up(self, _tenant) -> None:
        sum_up(pause=lambda _: None)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(st.tuples(st.integers(0, 1), STEPS), max_size=4))
def test_it_adds_up_and_says_what_was_answered(steps):
    with transaction.atomic():
        world = _World()
        for whose, its in steps:
            for step in its:
                world.do(world.tenants[whose], *step)
        for tenant in world.tenants:
            found = told(tenant)["totals"]
            assert found["difference"] == []
            answered = world.answers[tenant.pk]
            assert found["accepted"] + found["revised"] == answered["accepted"]
            for name in ("duplicates", "rejected", "quarantined"):
                assert found[name] == answered[name]
        transaction.set_rollback(True)
