"""Members of partners and tenants see what is theirs, and viewers change none of it.

Every page of the site in every role: what is added to the admin is tested as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.test import Client, RequestFactory
from django.urls import reverse
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from dispatcher.admin.scope import ScopedAdmin
from dispatcher.admin.site import CdrhookAdminSite
from dispatcher.models import (
    ApiToken,
    CallSummary,
    Delivery,
    Integration,
    Partner,
    QuarantinedRecord,
    Replay,
    Source,
    StoredCdr,
    Tenant,
    Webhook,
)
from dispatcher.pipeline import test_call as sample
from tests.admin.roles import (
    MEMBERS,
    NOT_OPERATORS,
    OWNERS,
    ROLES,
    VIEWERS,
    World,
    addresses,
    client_in,
    everything,
    make_world,
    user_in,
)

if TYPE_CHECKING:
    from django.db.models import Model

# On one database only, for it takes long: what a role may is the same on both.
pytestmark = pytest.mark.django_db

SHARED: tuple[type[Any], ...] = (
    Tenant,
    Webhook,
    Delivery,
    StoredCdr,
    QuarantinedRecord,
    CallSummary,
    Replay,
    ApiToken,
    Source,
)

# With the pages that not every member has.
ALL: tuple[type[Any], ...] = (*SHARED, Partner, Integration)


@pytest.fixture
def world(db: None) -> World:
    return make_world()


@pytest.fixture(autouse=True)
def no_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent, whoever asks for it."""

    def test_call(webhook: Webhook, *, now: Any) -> Any:
        delivery = Delivery.objects.create(
            webhook=webhook, state="failed", created_at=now, ended_at=now,
            call_end=now, test_uid="test-1",
        )  # fmt: skip
        return delivery, None

    monkeypatch.setattr(sample, "test_call", test_call)


def strangers(role: str) -> frozenset[str]:
    """The owners whose names the role is not to read."""
    return OWNERS - ROLES[role][2]


def list_of(model: type[Model]) -> str:
    meta = model._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")


def lists() -> list[str]:
    return [reverse("admin:index"), *map(list_of, admin.site._registry)]


# What is seen -----------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
def test_lists_and_overview_name_nobody_elses_things(role: str, world: World) -> None:
    client = client_in(role, world)

    texts = {address: client.get(address).content.decode() for address in lists()}

    for address, text in texts.items():
        assert not {name for name in strangers(role) if name in text}, address


@pytest.mark.parametrize("role", ["operator", *MEMBERS])
def test_a_list_shows_what_is_the_users(role: str, world: World) -> None:
    client = client_in(role, world)

    for model in SHARED:
        rows = client.get(list_of(model)).context["cl"].result_list
        own = world.seen_by(role, model).values()
        assert {row.pk for row in rows} == {row.pk for row in own}


def test_without_a_membership_no_list_opens(world: World) -> None:
    client = client_in("staff without membership", world)

    statuses = {client.get(address).status_code for address in lists()[1:]}

    assert statuses == {403}


@pytest.mark.parametrize("role", MEMBERS)
def test_every_page_of_an_own_row_names_nobody_elses_things(
    role: str, world: World
) -> None:
    client = client_in(role, world)
    rows = [(model, world.seen_by(role, model)) for model in ALL]
    pages = {
        address
        for model, own in rows
        for row in own.values()
        for address in addresses(model, row.pk)
    }

    for address in pages:
        text = client.get(address).content.decode(errors="replace")
        assert not {name for name in strangers(role) if name in text}, address


@pytest.mark.parametrize("role", MEMBERS)
def test_the_page_and_the_history_of_an_own_row_open(role: str, world: World) -> None:
    client = client_in(role, world)

    for model in set(SHARED) - {ApiToken}:
        name = f"admin:dispatcher_{model._meta.model_name}"
        for owner, row in world.seen_by(role, model).items():
            page = client.get(reverse(f"{name}_change", args=[row.pk]))
            history = client.get(reverse(f"{name}_history", args=[row.pk]))
            assert (page.status_code, history.status_code) == (200, 200)
            assert owner in page.content.decode()


@pytest.mark.parametrize(
    ("role", "figures"),
    [
        ("operator", ["5", "3"]),
        ("partner viewer", ["3", "2"]),
        ("tenant administrator", ["1", "1"]),
        ("other partner's administrator", ["2", "1"]),
    ],
)
def test_the_overview_counts_what_is_the_users(
    role: str, figures: list[str], world: World
) -> None:
    overview = client_in(role, world).get("/admin/").context["overview"]

    counts = {figure.title: figure.count for figure in overview["figures"]}
    assert [counts["Failed"], counts["Quarantine"]] == figures
    assert len(overview["troubled"]) == len(overview["failures"]) == int(figures[0])


def test_a_user_without_membership_is_told_why_there_is_nothing(world: World) -> None:
    client = client_in("staff without membership", world)

    assert "you are a member of no tenant" in client.get("/admin/").content.decode()


@pytest.mark.parametrize(
    ("role", "titles"),
    [
        (
            "partner viewer",
            {"Overview", "Balance", "Deliveries", "CDRs", "Webhooks", "Quarantine", "Tenants",
             "Replays", "Partners", "Sources", "API tokens", "Call summaries"},
        ),
        (
            "tenant administrator",
            {"Overview", "Balance", "Deliveries", "CDRs", "Webhooks", "Quarantine", "Tenants",
             "Replays", "Sources", "API tokens", "Call summaries", "Integrations", "Audit log"},
        ),
        ("staff without membership", {"Overview"}),
    ],
)  # fmt: skip
def test_the_sidebar_shows_what_can_be_opened(
    role: str, titles: set[str], world: World
) -> None:
    client = client_in(role, world)
    groups = client.get("/admin/").context["sidebar_navigation"]
    items = [item for group in groups for item in group["items"]]

    shown = {item["title"]: item["link"] for item in items if item["has_permission"]}

    assert set(shown) == titles
    assert {client.get(link).status_code for link in shown.values()} == {200}


# What there is not ------------------------------------------------------------------


def test_a_number_that_many_share_finds_the_users_own_calls_only(world: World) -> None:
    client = client_in("tenant viewer", world)

    text = client.get("/admin/webhook/webhookcdr/?q=%2B441632960001").content.decode()

    assert str(world.of(Delivery, "acme").pk) in text
    assert str(world.of(Delivery, "north").pk) not in text


@pytest.mark.parametrize("role", NOT_OPERATORS)
@pytest.mark.parametrize("model", [User, PeriodicTask, IntervalSchedule])
def test_what_is_no_owners_is_for_operators_alone(
    role: str, model: type[Model], world: World
) -> None:
    client = client_in(role, world)

    statuses = {client.get(address).status_code for address in addresses(model, 1)}

    assert statuses <= {302, 403, 404}
    meta = model._meta
    assert client.get(f"/admin/{meta.app_label}/").status_code == 404


def test_a_page_that_says_nothing_of_owners_is_for_operators_alone(
    world: World,
) -> None:
    site = CdrhookAdminSite()
    site.register(StoredCdr)
    page = site._registry[StoredCdr]
    request: Any = RequestFactory().get("/")
    request.user = user_in("partner administrator", world)
    request.user.user_permissions.set(Permission.objects.all())

    assert not page.has_view_permission(request)
    assert not page.has_module_permission(request)
    assert not page.get_queryset(request).exists()
    request.user = user_in("operator", world)
    assert page.has_view_permission(request)
    assert page.get_queryset(request).count() == 3


def test_every_page_of_the_site_knows_of_scopes() -> None:
    pages = admin.site._registry.values()

    assert all(isinstance(page, ScopedAdmin) for page in pages)


# What may be done -------------------------------------------------------------------


@pytest.mark.parametrize("role", VIEWERS)
def test_whatever_a_viewer_posts_changes_nothing(role: str, world: World) -> None:
    client = client_in(role, world)
    before = everything()

    for model in SHARED:
        for row in world.seen_by(role, model).values():
            for address in addresses(model, row.pk):
                form = {"post": "yes", "name": "changed", "url": "https://x.example/"}
                # 404: an address that takes two ids, of which one is no such thing's.
                assert client.post(address, form).status_code in (200, 302, 403, 404)

    assert everything() == before


# In this order: what was sent again could be cancelled.
ACTIONS: dict[str, type[Model] | None] = {
    "cancel": None,
    "delete_selected": None,
    "revoke": ApiToken,
    "send_again": Delivery,
    "start_again": CallSummary,
}
WRITES = (
    "webhooks/add/",
    "webhooks/{webhook}/",
    "webhooks/{webhook}/delete/",
    "webhooks/{webhook}/test/",
    "webhooks/{webhook}/probe/",
    "webhooks/{webhook}/secret/rotate/",
    "webhooks/{webhook}/again/",
    "webhooks/{webhook}/again/outage/",
    "dispatcher/replay/{replay}/pause/",
    "dispatcher/replay/{replay}/resume/",
    "dispatcher/replay/{replay}/cancel/",
    "webhook/webhookcdr/{delivery}/resend/",
    "webhook/webhookcdr/{delivery}/cancel/",
    "dispatcher/apitoken/add/",
    "dispatcher/tenant/add/",
    "dispatcher/tenant/{tenant}/change/",
    "dispatcher/tenant/{tenant}/delete/",
    "dispatcher/callsummary/{summary}/start-again/",
    "dispatcher/integration/add/",
    "dispatcher/source/add/",
    "dispatcher/source/{source}/change/",
    "dispatcher/source/{source}/delete/",
    "dispatcher/source/{source}/token/",
)


@pytest.mark.parametrize("role", VIEWERS)
def test_a_viewers_writes_are_refused(role: str, world: World) -> None:
    client = client_in(role, world)
    models = {"webhook": Webhook, "delivery": Delivery, "tenant": Tenant}
    keys = {name: world.of(model, "acme").pk for name, model in models.items()}
    keys["replay"] = world.of(Replay, "acme").pk
    keys["source"] = world.of(Source, "acme").pk
    keys["summary"] = world.of(CallSummary, "acme").pk

    for write in WRITES:
        address = f"/admin/{write.format(**keys)}"
        assert client.post(address, {"post": "yes"}).status_code == 403, address


@pytest.mark.parametrize("role", NOT_OPERATORS)
def test_an_action_reaches_what_is_the_administrators_and_nothing_else(
    role: str, world: World
) -> None:
    client, may = client_in(role, world), ROLES[role][1] == "administrator"

    for action, acted in ACTIONS.items():
        for model in (Delivery, ApiToken, CallSummary, Webhook):
            before = everything()[model._meta.label]
            keys = [str(row.pk) for row in world.rows[model].values()]
            chosen = {"action": action, "_selected_action": keys, "post": "yes"}
            client.post(list_of(model), chosen)
            after = everything()[model._meta.label]
            pairs = zip(before, after, strict=True)
            changed = {new["id"] for old, new in pairs if old != new}
            own = {row.pk for row in world.seen_by(role, model).values()}
            assert changed == (own if may and model is acted else set())


@pytest.mark.parametrize("role", VIEWERS)
def test_a_viewers_page_offers_nothing_and_shows_no_secret(
    role: str, world: World
) -> None:
    client = client_in(role, world)

    webhook = client.get(f"/admin/webhooks/{world.of(Webhook, 'acme').pk}/")
    delivery = client.get(f"/admin/webhook/webhookcdr/{world.of(Delivery, 'acme').pk}/")

    for text in (webhook.content.decode(), delivery.content.decode()):
        for offered in ("Send a test now", "Rotate", "Send again", 'name="_save"'):
            assert offered not in text
        assert "acme-secret" not in text
        assert "acme-key" not in text
    assert "x-acme" in webhook.content.decode()
    assert "acme-number" in webhook.content.decode()


def test_whoever_is_no_staff_or_switched_off_does_not_get_in(world: World) -> None:
    user = user_in("partner administrator", world)
    client = Client()
    client.force_login(user)

    for change in ({"is_staff": False}, {"is_staff": True, "is_active": False}):
        User.objects.filter(pk=user.pk).update(**change)
        assert client.get("/admin/").status_code == 302


def test_members_may_change_their_own_password(world: World) -> None:
    page = client_in("tenant viewer", world).get("/admin/password_change/")

    assert page.status_code == 200
