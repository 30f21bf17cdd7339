"""The page "Balance": a tenant's day by hour, what does not add up, and whose it is."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from dispatcher.adapters.base import Read
from dispatcher.models import Source, StoredCdr, Tenant, Webhook, WebhookFilter
from dispatcher.pipeline.accept import accept
from dispatcher.pipeline.ingest import Origin, store
from tests.admin.roles import ROLES, client_in, make_world
from tests.normalise.test_joining import a_leg
from tests.pipeline.conftest import call

if TYPE_CHECKING:
    from django.test import Client

    from tests.admin.roles import World

pytestmark = [pytest.mark.db, pytest.mark.django_db]

PAGE = "/admin/balance/"


@pytest.fixture
def received(acme: Tenant) -> Webhook:
    """Two calls of acme's just now; one of them its webhook does not want."""
    webhook = Webhook.objects.create(tenant=acme, url="https://receiver.example/")
    WebhookFilter.objects.create(webhook=webhook, field="dir", op="eq", value="inbound")
    calls = [call("c-1"), call("c-2", direction="outbound")]
    accept(acme, calls, source="test", now=timezone.now(), rejected=3)
    return webhook


def _today() -> str:
    """The day of the call that came last, which may have been before midnight."""
    newest = StoredCdr.objects.latest("accepted_at")
    return newest.accepted_at.date().isoformat()


def _text(response: Any) -> str:
    """What is read on the page, without its tags."""
    without_tags = re.sub(r"<[^>]+>", " ", response.content.decode())
    return re.sub(r"\s+", " ", without_tags)


def test_it_shows_how_many_legs_wait(admin_client: Client, acme: Tenant):
    source = Source.objects.create(
        tenant=acme, name="pbx", pbx="freeswitch", legs="per_call"
    )
    origin = Origin("freeswitch", source)
    store(acme, [Read(a_leg())], origin, now=timezone.now())

    response = admin_client.get(PAGE, {"tenant": "acme"})

    assert "Legs that wait for the others of their calls: 1." in _text(response)


def test_it_shows_each_hour_and_the_day(admin_client: Client, received: Webhook):
    response = admin_client.get(PAGE, {"tenant": "acme", "day": _today()})

    [row] = response.context["rows"]
    numbers = dict(zip(response.context["columns"], row["numbers"], strict=True))
    assert (numbers["Received"], numbers["Accepted"], numbers["Rejected"]) == (5, 2, 3)
    assert (numbers["Matched"], numbers["Filtered out"], numbers["Pending"]) == (
        1,
        1,
        1,
    )
    assert row["numbers"] == response.context["totals"]["numbers"]
    assert "adds up" in _text(response)


def test_it_names_the_filter_that_kept_calls_out(
    admin_client: Client, received: Webhook
):
    response = admin_client.get(PAGE, {"tenant": "acme", "day": _today()})

    assert "1 by dir:eq:inbound" in _text(response)


def test_a_number_leads_to_the_deliveries_behind_it(
    admin_client: Client, received: Webhook
):
    response = admin_client.get(PAGE, {"tenant": "acme", "day": _today()})

    [webhook] = response.context["webhooks"]
    [link] = [link for name, _, link in webhook["states"] if name == "pending"]
    [delivery] = admin_client.get(link).context["cl"].result_list
    assert delivery.webhook == received


def test_an_hour_that_does_not_add_up_is_red_and_says_why(
    admin_client: Client, received: Webhook
):
    StoredCdr.objects.filter(uid="c-2").delete()

    response = admin_client.get(PAGE, {"tenant": "acme", "day": _today()})

    assert '<tr class="cdr-bad">' in response.content.decode()
    assert "accepted: 2 counted, 1 found" in _text(response)
    assert "does not add up" in _text(response)


def test_an_hour_can_be_looked_at_by_itself(admin_client: Client, received: Webhook):
    hour = StoredCdr.objects.latest("pk").accepted_at.hour
    asked: dict[str, Any] = {"tenant": "acme", "day": _today()}

    its = admin_client.get(PAGE, {**asked, "hour": hour}).context
    another = admin_client.get(PAGE, {**asked, "hour": (hour + 1) % 24}).context

    assert (len(its["rows"]), len(another["rows"])) == (1, 0)


@pytest.mark.parametrize("day", ["", "yesterday", "2026-02-31", "0001-01-01"])
def test_what_is_no_day_is_today(admin_client: Client, acme: Tenant, day: str):
    response = admin_client.get(PAGE, {"tenant": "acme", "day": day})

    assert response.context["day"] in {
        dt.datetime.now(dt.UTC).date(),
        (dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)).date(),
    }


def test_a_filter_that_holds_markup_is_shown_as_text(
    admin_client: Client, received: Webhook, acme: Tenant
):
    WebhookFilter.objects.update(field="ddiNum", value="<script>alert(1)</script>")
    accept(acme, [call("c-3")], source="test", now=timezone.now())

    response = admin_client.get(PAGE, {"tenant": "acme", "day": _today()})

    assert "<script>alert(1)" not in response.content.decode()
    assert "&lt;script&gt;alert(1)" in response.content.decode()


# Whose it is ----------------------------------------------------------------------------


@pytest.fixture
def world(db: None) -> World:
    """Two partners, three tenants; each tenant has just received a call."""
    made = make_world()
    for tenant in made.rows[Tenant].values():
        accept(tenant, [call("c-1")], source="test", now=timezone.now())
    return made


@pytest.mark.parametrize("role", ROLES)
def test_a_user_sees_the_balance_of_own_tenants_alone(role: str, world: World):
    client = client_in(role, world)

    for name in world.rows[Tenant]:
        shown = client.get(PAGE, {"tenant": name}).context["tenant"]
        assert (shown is not None) == (name in ROLES[role][2])


def test_a_foreign_tenant_is_answered_as_one_that_there_is_not(world: World):
    client = client_in("tenant viewer", world)

    foreign = client.get(PAGE, {"tenant": "globex"})
    unknown = client.get(PAGE, {"tenant": "nobody"})

    assert _text(foreign) == _text(unknown)
    assert "There is no such tenant" in _text(foreign)


def test_a_tenants_users_learn_nothing_of_the_partners_webhooks(world: World):
    def hosts(role: str) -> set[str]:
        page = client_in(role, world).get(PAGE, {"tenant": "acme"})
        return {webhook["host"] for webhook in page.context["webhooks"]}

    assert hosts("tenant administrator") == {"acme.example"}
    assert hosts("partner viewer") == {"acme.example", "north.example"}


def test_who_has_one_tenant_need_not_choose(world: World):
    response = client_in("tenant viewer", world).get(PAGE)

    assert str(response.context["tenant"]) == "acme"


def test_nobody_else_gets_in(client: Client, db: None):
    assert client.get(PAGE).status_code == 302
