"""What is done in the admin is noted, and shown to whom it concerns."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from dispatcher.models import ApiToken, AuditEntry, Tenant
from dispatcher.pipeline import audit
from tests.admin.roles import client_in, make_world

pytestmark = [pytest.mark.db, pytest.mark.django_db]

LIST = "admin:dispatcher_auditentry_changelist"
FORMSET = {
    "memberships-TOTAL_FORMS": "1",
    "memberships-INITIAL_FORMS": "0",
    "memberships-MIN_NUM_FORMS": "0",
    "memberships-MAX_NUM_FORMS": "1",
}


def last() -> AuditEntry:
    return AuditEntry.objects.latest("id")


def save(client: Any, page: str, key: object, **values: Any) -> None:
    address = reverse(f"admin:{page}_change", args=[key])
    answer = client.post(address, values)
    assert answer.status_code == 302, answer.context["errors"]


@pytest.fixture
def world(db):
    return make_world()


def note(world, now, owner: str, actor: str) -> AuditEntry:
    with audit.acting(lambda: audit.Actor(actor, "192.0.2.7")):
        audit.note("made", world.of(Tenant, owner), now=now, after={"name": "<b>x</b>"})
    return last()


def test_a_changed_tenant_is_noted_with_before_and_after(acme, admin_client):
    values = {"name": "Acme GmbH", "time_zone": "UTC"}
    save(admin_client, "dispatcher_tenant", acme.pk, **values)
    assert (last().actor, last().address) == ("user admin", "127.0.0.1")
    assert last().changes == {"name": ["Acme", "Acme GmbH"]}


def test_a_new_token_is_noted_without_what_it_is(acme, admin_client):
    values = {"name": "pbx", "tenant": acme.pk, "scopes": ["ingest"]}
    admin_client.post(reverse("admin:dispatcher_apitoken_add"), values)
    token = ApiToken.objects.get()
    assert (last().action, last().tenant) == ("made", acme)
    assert last().changes["digest"] == [None, "changed"]
    assert token.digest not in str(last().changes)


def test_a_revoked_token_is_noted(acme, admin_client):
    token = ApiToken.objects.create(tenant=acme, digest="d", hint="abcd", can_read=True)
    values = {"action": "revoke", "_selected_action": [token.pk]}
    admin_client.post(reverse("admin:dispatcher_apitoken_changelist"), values)
    assert (last().action, last().object_text) == ("revoked", "…abcd")


def test_a_users_membership_is_noted_as_the_tenants(acme, admin_client):
    user = User.objects.create(username="berta")
    member = {"memberships-0-tenant": acme.pk, "memberships-0-role": "viewer"}
    values = {
        "username": "berta",
        "date_joined_0": "2026-11-20",
        "date_joined_1": "10:00:00",
        **FORMSET,
        **member,
    }
    save(admin_client, "auth_user", user.pk, **values)
    entry = AuditEntry.objects.get(object_type="membership")
    assert (entry.action, entry.tenant) == ("made", acme)


def test_a_password_that_an_operator_sets_is_noted(admin_client):
    user = User.objects.create(username="berta")
    address = reverse("admin:auth_user_password_change", args=[user.pk])
    word = "correct horse battery"
    values = {"password1": word, "password2": word, "usable_password": "true"}
    assert admin_client.post(address, values).status_code == 302
    assert (last().action, last().object_text) == ("password changed", "berta")


def test_a_user_who_changes_the_own_password_is_noted(client):
    user = User.objects.create_superuser("admin", password="the old one")
    client.force_login(user)
    word = "correct horse battery"
    values = {
        "old_password": "the old one",
        "new_password1": word,
        "new_password2": word,
    }
    answer = client.post(reverse("admin:password_change"), values)
    assert answer.status_code == 302, answer.context["form"].errors
    assert (last().action, last().actor) == ("password changed", "user admin")


def test_a_schedule_that_is_switched_off_is_noted(admin_client):
    every = IntervalSchedule.objects.create(every=2, period="seconds")
    task = PeriodicTask.objects.create(name="x", task="y", interval=every)
    values = {"action": "disable_tasks", "_selected_action": [task.pk]}
    admin_client.post(
        reverse("admin:django_celery_beat_periodictask_changelist"), values
    )
    assert last().changes == {"enabled": [True, False]}


def test_a_deleted_tenant_is_noted(acme, admin_client):
    address = reverse("admin:dispatcher_tenant_delete", args=[acme.pk])
    admin_client.post(address, {"post": "yes"})
    assert (last().action, last().object_text) == ("deleted", "acme")
    assert not Tenant.objects.exists()


# Who sees it ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "owners"),
    [
        ("operator", {"acme", "globex", "outsider"}),
        ("partner administrator", {"acme", "globex"}),
        ("tenant administrator", {"acme"}),
    ],
)
def test_each_sees_what_was_done_to_their_own(world, now, role, owners):
    for owner in ("acme", "globex", "outsider"):
        note(world, now, owner, "system")
    rows = client_in(role, world).get(reverse(LIST)).context["cl"].result_list
    assert {row.object_text for row in rows} == owners


@pytest.mark.parametrize("role", ["tenant viewer", "partner viewer"])
def test_viewers_do_not_see_it(world, role):
    assert client_in(role, world).get(reverse(LIST)).status_code == 403


def test_names_of_operators_are_not_for_members(world, now):
    User.objects.create(username="root-of-all", is_superuser=True)
    entry = note(world, now, "acme", "user root-of-all")
    client = client_in("tenant administrator", world)
    page = reverse("admin:dispatcher_auditentry_change", args=[entry.pk])
    for address in (reverse(LIST), page):
        text = client.get(address).content.decode()
        assert "somebody else" in text
        assert "root-of-all" not in text
        assert "192.0.2.7" not in text
    found = client.get(reverse(LIST), {"q": "root-of-all"}).context["cl"]
    assert not found.result_list


def test_it_is_found_by_actor_and_by_thing(world, now, admin_client):
    entry = note(world, now, "acme", "user berta")
    note(world, now, "globex", "token …1a2b")
    for term in ("berta", "user berta", str(world.of(Tenant, "acme").pk), "acm"):
        rows = admin_client.get(reverse(LIST), {"q": term}).context["cl"].result_list
        assert [row.pk for row in rows] == [entry.pk], term


def test_it_is_narrowed_by_age(world, now, admin_client):
    note(world, now, "acme", "system")
    [row] = admin_client.get(reverse(LIST), {"age": "1h"}).context["cl"].result_list
    assert row.object_text == "acme"


def test_nobody_changes_or_deletes_an_entry(world, now, admin_client):
    entry = note(world, now, "acme", "system")
    for name in ("change", "delete"):
        address = reverse(f"admin:dispatcher_auditentry_{name}", args=[entry.pk])
        assert admin_client.post(address, {"post": "yes"}).status_code in {200, 403}
    action = {"action": "delete_selected", "_selected_action": [entry.pk]}
    admin_client.post(reverse(LIST), action)
    assert last() == entry


def test_values_are_shown_as_text(world, now, admin_client):
    entry = note(world, now, "acme", "system")
    page = reverse("admin:dispatcher_auditentry_change", args=[entry.pk])
    assert "&lt;b&gt;x&lt;/b&gt;" in admin_client.get(page).content.decode()
