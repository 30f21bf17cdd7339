"""The matrix of pages: every address under /admin/, every role, things of somebody else.

Foreign and unknown things are answered alike, and nothing of theirs changes. What a
page takes ids in is read from its model: keys in its addresses, filters of its list,
its actions, the fields of its form, and the rows under it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

import pytest
import time_machine
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import ForeignKey, Model
from django.test import Client, RequestFactory
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from dispatcher import tasks
from dispatcher.models import AuditEntry, Partner, Tenant, Webhook
from dispatcher.pipeline import test_call as sample
from tests.admin.roles import (
    MEMBERS,
    NOT_OPERATORS,
    OWNERS,
    ROLES,
    VIEWERS,
    World,
    answer,
    client_in,
    make_world,
)
from tests.admin.test_webhooks import form
from tests.isolation import admin_rows, routes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# On one database only, for it takes long: what a role may is the same on both.
pytestmark = pytest.mark.django_db

_ID: Final = re.compile(r"<(?:\w+:)?\w+>")
# Ids and secrets of what a request has made.
_NEW: Final = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|whsec_[\w+/=]+|cdr_[\w-]{43}"
)
# Roles that see different things; a viewer sees what an administrator does.
SEEING: Final = ("partner administrator", "tenant viewer")


@pytest.fixture
def world(db: None) -> Iterator[World]:
    """The clock stands still: pages say how long ago things were."""
    with time_machine.travel("2026-11-20T10:00:00Z", tick=False):
        world = make_world()
        for name in ("acme", "globex", "outsider"):
            world.put(name, audit_entry(name, tenant=world.of(Tenant, name)))
        for name in ("north", "south"):
            world.put(name, audit_entry(name, partner=world.of(Partner, name)))
        yield world


def audit_entry(name: str, **owner: Any) -> AuditEntry:
    return AuditEntry.objects.create(
        **owner,
        at=timezone.now(),
        actor=f"user somebody at {name}",
        action="changed",
        object_type="webhook",
        object_id=f"{name}-thing",
        changes={"name": [name, f"{name}-new"]},
    )


@pytest.fixture(autouse=True)
def nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """No receiver and no broker is asked."""
    monkeypatch.setattr(tasks, "wake_up", lambda _ids: None)

    def test_call(*_args: Any, **_options: Any) -> Any:
        raise AssertionError("a request would have been sent")

    monkeypatch.setattr(sample, "test_call", test_call)


# What is named ----------------------------------------------------------------------


def owned() -> list[type[Any]]:
    return [apps.get_model(label) for label in sorted(admin_rows.OWNED)]


def foreign_rows(role: str, world: World) -> list[Model]:
    """Of every page a row of each owner that the role may not see.

    Of roles that see what another one does, a row of one such owner.
    """
    strangers = OWNERS - ROLES[role][2]
    rows: list[Model] = []
    for model in owned():
        owners = sorted(strangers & set(world.rows[model]))
        few = owners if role in SEEING else owners[:1]
        rows += [world.rows[model][owner] for owner in few]
    return [*rows, *operators_rows()]


def operators_rows() -> list[Model]:
    schedule = IntervalSchedule.objects.create(pk=314159, every=7, period="seconds")
    task = PeriodicTask.objects.create(pk=314159, name="t", task="t", interval=schedule)
    crontab = CrontabSchedule.objects.create(pk=314159)
    user = User.objects.create(pk=314159, username="somebody")
    return [schedule, task, crontab, user]


def beside(key: Any) -> Any:
    """A key like this one of a row that there is not."""
    if isinstance(key, int):
        return key ^ 1
    return type(key)(int=key.int ^ 1)


def strangers_in(role: str, text: str) -> set[str]:
    return {name for name in OWNERS - ROLES[role][2] if name in text}


def everything() -> dict[str, list[Any]]:
    """All rows of all tables, without what logging in and asking write themselves."""
    return {
        model._meta.label: list(model._default_manager.order_by("pk").values())
        for model in apps.get_models()
        if model not in (Session, LogEntry)
    }


def seen(client: Client, method: str, address: str, /, *names: Any, **data: Any) -> Any:
    """What is answered, and told on the next page, with `names` made alike."""
    client.cookies.pop("messages", None)
    response = getattr(client, method)(address, data)
    spellings = [text for name in names for text in (quote(str(name)), str(name))]
    return answer(response, *spellings)


def alike(client: Client, method: str, address: str, key: Any, /, **data: Any) -> None:
    """Asks for KEY, foreign and unknown; the answers must not differ.

    What is refused changes nothing; what is not, nothing that was there.
    """
    answers = []
    for name in (key, beside(key)):
        filled = {
            field: str(value).replace("KEY", str(name)) for field, value in data.items()
        }
        there = address.replace("KEY", str(name))
        with transaction.atomic():
            seen_there = seen(client, method, there, name, **filled)
            transaction.set_rollback(True)
        status, text, *told = seen_there
        answers.append((status, text, [_NEW.sub("NEW", part) for part in told]))
    assert answers[0] == answers[1], (method, address, data)


# Pages of rows ----------------------------------------------------------------------


def addresses(model: type[Model]) -> Iterator[str]:
    """Those of a page that name a row, with KEY in its place."""
    base = routes.admin_list(model)
    for path in sorted(routes.pages()[model]):
        if _ID.search(path):
            yield base + _ID.sub("KEY", path)


@pytest.mark.parametrize("role", NOT_OPERATORS)
def test_the_page_of_a_foreign_row_is_that_of_none(role: str, world: World) -> None:
    rows = foreign_rows(role, world)
    client = client_in(role, world)
    before = everything()

    for row in rows:
        for address in addresses(type(row)):
            alike(client, "get", address, row.pk)
            alike(client, "post", address, row.pk, post="yes")
            alike(client, "post", address, row.pk, action="delete_selected", post="yes")
    assert everything() == before


def test_whoever_has_not_logged_in_is_asked_to_whatever_the_address(
    world: World,
) -> None:
    rows = [row for by_owner in world.rows.values() for row in by_owner.values()]
    client, before = Client(), everything()

    for row in [*rows, *operators_rows()]:
        if type(row) not in admin.site._registry:
            continue
        for address in addresses(type(row)):
            for method in ("get", "post"):
                alike(client, method, address, row.pk)
                response = getattr(client, method)(address.replace("KEY", str(row.pk)))
                assert response["Location"].startswith(("/admin/", "/admin/login/"))
    assert everything()["dispatcher.Webhook"] == before["dispatcher.Webhook"]


# Lists ------------------------------------------------------------------------------


def relations(model: type[Model]) -> Iterator[tuple[str, type[Model]]]:
    """The names by which a list may be asked for other rows, and of which kind."""
    for field in model._meta.get_fields():
        if field.is_relation and isinstance(field.related_model, type):
            yield field.name, field.related_model


def questions(model: type[Model], world: World, role: str) -> Iterator[tuple[str, Any]]:
    """Queries of a model's list that name a row which the role may not see."""
    strangers = sorted(OWNERS - ROLES[role][2])
    for name, kind in [("id", model), *relations(model)]:
        rows: dict[str, Any] = world.rows.get(kind, {})
        keys = [rows[owner].pk for owner in strangers if owner in rows]
        for key in keys:
            yield f"{name}=KEY", key
        for lookup in ("exact", "id__exact", "in", "pk", "gte") if keys else ():
            yield f"{name}__{lookup}=KEY", keys[0]
        for key in keys[:1]:
            yield f"_popup=1&_to_field={name}&q=KEY", key
            yield f"_changelist_filters={quote(f'{name}=KEY')}&o=1&q=KEY", key
            yield "webhook=KEY&tested=KEY", key


@pytest.mark.parametrize("role", SEEING)
def test_a_list_asked_for_a_foreign_row_is_as_one_asked_for_none(
    role: str, world: World
) -> None:
    client = client_in(role, world)

    for model in owned():
        for query, key in sorted(set(questions(model, world, role))):
            alike(client, "get", f"{routes.admin_list(model)}?{query}", key)


@pytest.mark.parametrize("role", SEEING)
def test_a_list_asked_for_a_foreign_name_is_as_one_asked_for_none(
    role: str, world: World
) -> None:
    client = client_in(role, world)

    owner = min(OWNERS - ROLES[role][2] - {"north"})
    nobody = "x" * len(owner)

    for model in owned():
        base = routes.admin_list(model)
        for query in ("q=NAME", "tenant=NAME", "name=NAME", "external_id=NAME"):
            answers = [
                seen(client, "get", f"{base}?{query.replace('NAME', name)}", name)
                for name in (owner, nobody)
            ]
            assert answers[0] == answers[1], (model, query, owner)


# Actions, forms, and the rest -------------------------------------------------------


def actions(model: type[Model], world: World) -> Iterable[str]:
    """The actions of a page, as an operator sees them, and Django's own."""
    request: Any = RequestFactory().get("/")
    request.user = User.objects.filter(is_superuser=True).first()
    page = admin.site._registry[model]
    return {"delete_selected", *page.get_actions(request)}


@pytest.mark.parametrize("role", NOT_OPERATORS)
def test_an_action_on_a_foreign_row_is_as_one_on_none(role: str, world: World) -> None:
    rows = foreign_rows(role, world)
    User.objects.create(username="operator", is_superuser=True)
    client = client_in(role, world)
    before = everything()

    for row in rows:
        address = routes.admin_list(type(row))
        for action in actions(type(row), world):
            chosen = {"action": action, "_selected_action": "KEY", "post": "yes"}
            alike(client, "post", address, row.pk, **chosen, index="0")
    assert everything() == before


@pytest.mark.parametrize("role", VIEWERS)
def test_a_viewers_action_on_everything_changes_nothing(
    role: str, world: World
) -> None:
    User.objects.create(username="operator", is_superuser=True)
    client = client_in(role, world)
    before = everything()

    for model in admin.site._registry:
        rows: dict[str, Any] = world.rows.get(model, {})
        keys = [row.pk for row in rows.values()]
        for action in actions(model, world):
            chosen = {
                "action": action,
                "_selected_action": keys,
                "select_across": "1",
                "post": "yes",
            }
            client.post(routes.admin_list(model), chosen)
    assert everything() == before


# What some form needs beside a webhook's; what a page's form has not is not looked at.
GOOD: Final = {"name": "new", "external_id": "new", "time_zone": "UTC", "on": "on"}


@pytest.mark.parametrize("role", [role for role in MEMBERS if role not in VIEWERS])
def test_a_form_that_names_a_foreign_row_is_as_one_that_names_none(
    role: str, world: World
) -> None:
    client, before = client_in(role, world), everything()
    strangers = OWNERS - ROLES[role][2]

    for model in owned():
        for field in model._meta.fields:
            rows = world.rows.get(field.related_model or model, {})
            if not isinstance(field, ForeignKey):
                continue
            for owner in sorted(strangers & set(rows)):
                filled = {**form(), **GOOD, "scopes": "none", field.name: "KEY"}
                address = f"{routes.admin_list(model)}add/"
                alike(client, "post", address, rows[owner].pk, **filled)
                query = f"?{field.name}=KEY"
                alike(client, "get", f"{address}{query}", rows[owner].pk)
    after = everything()
    assert all(row in after[label] for label, rows in before.items() for row in rows)


@pytest.mark.parametrize("role", ["partner administrator", "tenant administrator"])
def test_rows_of_a_foreign_webhook_cannot_be_moved_under_ones_own(
    role: str, world: World
) -> None:
    client = client_in(role, world)
    own, foreign = world.of(Webhook, "acme"), world.of(Webhook, "outsider")
    address = f"{routes.admin_list(Webhook)}{own.pk}/"
    foreign.filters.create(pk=314159, field="dir", op="eq", value="theirs")
    foreign.custom_data.create(pk=314159, key="k", value="theirs")
    foreign.headers.create(pk=314159, name="x-theirs", value="theirs")
    before = everything()
    values = {"field": "dir", "op": "eq", "value": "x", "key": "k", "name": "x-n"}

    for part in ("filters", "custom_data", "headers"):
        moved = {"id": "KEY", **values}
        for more in ({}, {"DELETE": "on"}, {"webhook": str(foreign.pk)}):
            filled = form(**{part: [{**moved, **more}]})
            alike(client, "post", address, 314159, **filled)
    after = everything()
    for label in ("WebhookFilter", "WebhookHeader", "CustomData"):
        rows = [
            [row for row in every[f"dispatcher.{label}"] if row["webhook_id"] != own.pk]
            for every in (before, after)
        ]
        assert rows[0] == rows[1]


def test_a_partner_is_not_told_whose_an_external_id_is(world: World) -> None:
    client = client_in("partner administrator", world)
    wished = {"name": "new", "time_zone": "UTC", "external_id": "outsider"}

    text = client.post("/admin/dispatcher/tenant/add/", wished).content.decode()

    assert "This external id cannot be used; choose another one." in text
    assert "already exists" not in text


@pytest.mark.parametrize("role", NOT_OPERATORS)
def test_autocompletion_of_a_foreign_name_offers_what_an_unknown_one_does(
    role: str, world: World
) -> None:
    client = client_in(role, world)
    models: list[type[Any]] = [*apps.get_app_config("dispatcher").get_models(), User]
    fields = [
        (model._meta, field.name)
        for model in models
        for field in model._meta.get_fields()
        if field.many_to_one
    ]

    strangers = sorted(OWNERS - ROLES[role][2])
    asked_for = strangers if role in SEEING else strangers[:1]

    for meta, name in fields:
        query = {
            "app_label": meta.app_label,
            "model_name": meta.model_name or "",
            "field_name": name,
        }
        for owner in asked_for:
            answers = [
                seen(client, "get", f"/admin/autocomplete/?{urlencode(asked)}", term)
                for term in (owner, "x" * len(owner))
                for asked in [{**query, "term": term}]
            ]
            assert answers[0] == answers[1], query
        text = client.get("/admin/autocomplete/", query).content.decode()
        assert not {owner for owner in strangers if f'"{owner}' in text}, query


@pytest.mark.parametrize("role", NOT_OPERATORS)
def test_the_other_addresses_tell_nothing_of_others(role: str, world: World) -> None:
    client = client_in(role, world)

    for owner in sorted(OWNERS - ROLES[role][2]):
        for address in admin_rows.SITE.values():
            answers = []
            for name in (owner, "x" * len(owner)):
                there = f"/admin/{address.replace('NAME', name)}"
                answers.append(seen(client, "get", there, name))
            assert answers[0] == answers[1], address
            assert not strangers_in(role, str(answers[1])), address
