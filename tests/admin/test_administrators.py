"""What administrators of partners and tenants may do, and what stays the operators'."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.test import Client

from dispatcher.models import (
    ApiToken,
    Delivery,
    Integration,
    Membership,
    Partner,
    Tenant,
    Webhook,
)
from tests.admin.roles import World, client_in, make_world, user_in
from tests.admin.test_webhooks import form

if TYPE_CHECKING:
    from uuid import UUID

pytestmark = [pytest.mark.db, pytest.mark.django_db]

ADMINISTRATORS = ["partner administrator", "tenant administrator"]
PASSWORD = "correct-horse-battery"


@pytest.fixture
def world(db: None) -> World:
    return make_world()


@pytest.fixture
def partners(world: World) -> Client:
    """A browser of an administrator of partner north."""
    return client_in("partner administrator", world)


@pytest.fixture
def tenants(world: World) -> Client:
    """A browser of an administrator of tenant acme."""
    return client_in("tenant administrator", world)


def made(model: type[Any], world: World) -> list[Any]:
    known = [row.pk for row in world.rows[model].values()]
    return list(model.objects.exclude(pk__in=known))


# Webhooks ---------------------------------------------------------------------------


def test_a_tenants_administrator_makes_webhooks_of_the_tenant_only(
    tenants: Client, world: World
) -> None:
    for name in ("globex", "north"):
        kind: type[Any] = Partner if name == "north" else Tenant
        owner = {kind.__name__.lower(): world.of(kind, name).pk}
        tenants.post("/admin/webhooks/add/", form(**owner))

    webhooks = made(Webhook, world)
    assert [webhook.tenant.external_id for webhook in webhooks] == ["acme", "acme"]
    assert {webhook.partner for webhook in webhooks} == {None}


def test_a_partners_administrator_makes_webhooks_of_the_partner_and_its_tenants(
    partners: Client, world: World
) -> None:
    north, globex = world.of(Partner, "north"), world.of(Tenant, "globex")
    feed: dict[str, Any] = {
        "style": "feed",
        "resource": "billing",
        "late_records": "api_only",
    }

    partners.post(
        "/admin/webhooks/add/", form(partner=north.pk, empty_windows="on", **feed)
    )
    partners.post("/admin/webhooks/add/", form(tenant=globex.pk))

    of_tenant, of_partner = made(Webhook, world)
    assert (of_tenant.tenant, of_partner.partner) == (globex, north)
    assert (of_partner.late_records, of_partner.empty_windows) == ("api_only", True)
    assert (of_partner.style, of_partner.resource) == ("feed", "billing")


def test_a_partners_administrator_makes_none_of_others(
    partners: Client, world: World
) -> None:
    unknown = "00000000-0000-7000-8000-000000000000"
    texts = [
        partners.post("/admin/webhooks/add/", form(tenant=key)).content.decode()
        for key in (world.of(Tenant, "outsider").pk, unknown)
    ]

    assert all("That choice is not one of the available choices" in t for t in texts)
    assert "outsider" not in texts[0]
    assert not made(Webhook, world)


@pytest.mark.parametrize("role", ADMINISTRATORS)
def test_an_administrator_changes_tests_and_deletes_a_webhook(
    role: str, world: World
) -> None:
    client, webhook = client_in(role, world), world.of(Webhook, "acme")
    page = f"/admin/webhooks/{webhook.pk}/"

    text = client.get(page).content.decode()
    client.post(page, form(retries="7"))
    client.post(f"{page}secret/rotate/")
    webhook.refresh_from_db()
    client.post(f"{page}delete/", {"post": "yes"})

    assert "Send a test now" in text
    assert webhook.retries == 7
    assert webhook.secret.startswith("whsec_")
    webhook.refresh_from_db()
    assert webhook.deleted_at is not None


def test_a_tenants_administrator_is_not_offered_a_partners_style(
    tenants: Client, partners: Client
) -> None:
    texts = [
        client.get("/admin/webhooks/add/").content.decode()
        for client in (tenants, partners)
    ]

    assert ['value="feed"' in text for text in texts] == [False, True]
    assert ['name="late_records"' in text for text in texts] == [False, True]
    assert ['name="partner"' in text for text in texts] == [False, True]


@pytest.mark.parametrize(
    ("style", "shown", "hidden"),
    [
        ("envelope", "on_update", "batch_size"),
        ("batch", "batch_seconds", "late_records"),
        ("feed", "late_records", "batch_size"),
        ("feed", "empty_windows", "batch_seconds"),
    ],
)
def test_a_webhooks_page_has_the_settings_of_its_style(
    style: str, shown: str, hidden: str, world: World, partners: Client
) -> None:
    name = "north" if style == "feed" else "acme"
    webhook = world.of(Webhook, name)
    Webhook.objects.filter(pk=webhook.pk).update(style=style)

    text = partners.get(f"/admin/webhooks/{webhook.pk}/").content.decode()

    assert f'name="{shown}"' in text
    assert f'name="{hidden}"' not in text


def test_what_the_integration_rules_is_shown_and_not_changed(
    tenants: Client, world: World
) -> None:
    webhook = world.of(Webhook, "acme")
    Webhook.objects.filter(pk=webhook.pk).update(style="batch", of_integration=True)
    page = f"/admin/webhooks/{webhook.pk}/"

    text = tenants.get(page).content.decode()
    wished = form(url="https://other.example/", batch_size="7")
    tenants.post(page, {**wished, "active": ""})

    webhook.refresh_from_db()
    assert "The tenant&#x27;s integration rules" in text or "integration rules" in text
    assert 'name="url"' not in text
    assert 'name="active"' not in text
    assert (webhook.url, webhook.active) == ("https://acme.example/", True)
    assert webhook.batch_size == 7


# Deliveries and tokens --------------------------------------------------------------


@pytest.mark.parametrize("role", ADMINISTRATORS)
def test_an_administrator_sends_again_and_cancels(
    role: str, world: World, woken: list[UUID]
) -> None:
    client, delivery = client_in(role, world), world.of(Delivery, "acme")
    page = f"/admin/webhook/webhookcdr/{delivery.pk}/"

    client.post(f"{page}resend/")
    delivery.refresh_from_db()
    resent = delivery.state
    client.post(f"{page}cancel/")

    delivery.refresh_from_db()
    assert (resent, delivery.state) == ("pending", "cancelled")
    assert woken == [delivery.webhook_id]


@pytest.mark.parametrize(
    ("role", "wish", "owner"),
    [
        ("tenant administrator", "", "acme"),
        ("tenant administrator", "globex", "acme"),
        ("partner administrator", "globex", "globex"),
        ("partner administrator", "north", "north"),
        ("partner administrator", "outsider", None),
        ("partner administrator", "south", None),
    ],
)
def test_an_administrator_makes_tokens_of_its_own(
    role: str, wish: str, owner: str | None, world: World
) -> None:
    column = "partner" if wish in ("north", "south") else "tenant"
    kind: type[Any] = Partner if column == "partner" else Tenant
    chosen = {column: world.of(kind, wish).pk} if wish else {}

    client_in(role, world).post(
        "/admin/dispatcher/apitoken/add/", {"scopes": ["read"], **chosen}
    )

    tokens = made(ApiToken, world)
    assert [str(token.tenant or token.partner) for token in tokens] == (
        [] if owner is None else [owner]
    )


# Tenants ----------------------------------------------------------------------------


def test_a_partners_administrator_makes_tenants_of_the_partner(
    partners: Client, world: World
) -> None:
    wish = {"external_id": "new", "name": "New", "time_zone": "UTC"}
    others = {"partner": world.of(Partner, "south").pk, "max_webhooks": "3"}

    partners.post("/admin/dispatcher/tenant/add/", {**wish, **others})

    tenant = Tenant.objects.get(external_id="new")
    assert tenant.partner == world.of(Partner, "north")
    assert tenant.max_webhooks is None


def test_a_partners_administrator_changes_tenants_but_not_what_was_agreed(
    partners: Client, world: World
) -> None:
    acme = world.of(Tenant, "acme")
    Tenant.objects.filter(pk=acme.pk).update(max_webhooks=5)
    page = f"/admin/dispatcher/tenant/{acme.pk}"

    partners.post(
        f"{page}/change/",
        {
            "name": "Acme Ltd",
            "time_zone": "Europe/London",
            "partner": world.of(Partner, "south").pk,
            "max_webhooks": "99",
            "external_id": "renamed",
        },
    )
    deleted = partners.post(f"{page}/delete/", {"post": "yes"})

    acme.refresh_from_db()
    assert (acme.name, acme.time_zone) == ("Acme Ltd", "Europe/London")
    assert (acme.external_id, acme.max_webhooks) == ("acme", 5)
    assert acme.partner == world.of(Partner, "north")
    assert deleted.status_code == 403


def test_a_tenants_administrator_sees_the_tenant_and_changes_it_not(
    tenants: Client, world: World
) -> None:
    page = f"/admin/dispatcher/tenant/{world.of(Tenant, 'acme').pk}/change/"

    assert tenants.get(page).status_code == 200
    assert tenants.post(page, {"name": "x", "time_zone": "UTC"}).status_code == 403
    assert tenants.get("/admin/dispatcher/tenant/add/").status_code == 403


def test_a_partner_sees_itself_and_changes_itself_not(
    partners: Client, world: World
) -> None:
    page = f"/admin/dispatcher/partner/{world.of(Partner, 'north').pk}/change/"

    assert "north" in partners.get(page).content.decode()
    assert partners.post(page, {"name": "x"}).status_code == 403


# History ----------------------------------------------------------------------------


def test_a_history_names_nobody_but_the_readers_own(
    partners: Client, world: World
) -> None:
    webhook = world.of(Webhook, "acme")
    own = user_in("partner viewer", world)
    operator = User.objects.create(username="nightshift", is_superuser=True)
    for user, change in ((own, "by us"), (operator, "by them")):
        LogEntry.objects.create(
            user=user,
            content_type=ContentType.objects.get_for_model(Webhook),
            object_id=str(webhook.pk),
            action_flag=CHANGE,
            change_message=change,
        )

    text = partners.get(f"/admin/webhooks/{webhook.pk}/history/").content.decode()

    assert "partner-viewer" in text
    assert "by them" in text
    assert "somebody else" in text
    assert "nightshift" not in text


# Users ------------------------------------------------------------------------------


def memberships(**row: Any) -> dict[str, Any]:
    data = {f"memberships-0-{name}": value for name, value in row.items()}
    stored = int("id" in row)
    return {
        "memberships-TOTAL_FORMS": "1",
        "memberships-INITIAL_FORMS": str(stored),
        **data,
    }


def test_an_operator_makes_a_member_on_one_page_who_can_log_in(
    admin_client: Client, world: World
) -> None:
    north = world.of(Partner, "north")
    new = {"username": "n-1", "password1": PASSWORD, "password2": PASSWORD}

    offered = admin_client.get("/admin/auth/user/add/").content.decode()
    admin_client.post(
        "/admin/auth/user/add/",
        {**new, "is_staff": "on", **memberships(partner=north.pk, role="viewer")},
    )

    client = Client()
    assert re.search(r'name="is_staff"[^>]* checked', offered)
    assert Membership.objects.get().partner == north
    client.post("/admin/login/", {"username": "n-1", "password": PASSWORD})
    assert "globex" in client.get("/admin/webhooks/").content.decode()
    assert "viewer of north" in admin_client.get("/admin/auth/user/").content.decode()


@pytest.mark.parametrize("both", [True, False])
def test_a_member_belongs_to_one_owner(
    admin_client: Client, world: World, both: bool
) -> None:
    user = User.objects.create(username="n-1")
    owners = {
        "tenant": world.of(Tenant, "acme").pk,
        "partner": world.of(Partner, "north").pk,
    }

    text = admin_client.post(
        f"/admin/auth/user/{user.pk}/change/",
        {
            "username": "n-1",
            "date_joined_0": "2026-11-20",
            "date_joined_1": "10:00:00",
            **memberships(role="administrator", **(owners if both else {})),
        },
    ).content.decode()

    assert "A member belongs to one partner or to one tenant." in text
    assert not Membership.objects.exists()


def test_a_user_whose_integration_is_there_is_not_deleted(
    admin_client: Client, world: World
) -> None:
    user = world.of(Integration, "acme").user

    text = admin_client.post(
        f"/admin/auth/user/{user.pk}/delete/", {"post": "yes"}
    ).content.decode()

    assert "protected related objects" in text
    assert User.objects.filter(pk=user.pk).exists()
