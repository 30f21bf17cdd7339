"""No page takes a form that another site has a browser send (CSRF), whoever is logged in."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.test import Client

from tests.admin.roles import addresses, everything, make_world, user_in
from tests.isolation import admin_rows, routes

# On one database only: middleware is the same on both.
pytestmark = pytest.mark.django_db


def test_every_page_refuses_a_form_without_a_token_of_its_own_and_nothing_changes() -> (
    None
):
    world = make_world()
    client = Client(enforce_csrf_checks=True)
    client.force_login(user_in("operator", world))
    before = everything()

    answers = {
        address: client.post(address, {"action": "delete_selected", "post": "yes"})
        for model in admin.site._registry
        for address in addresses(model, _key(world, model))
    }

    taken = {
        at: found.status_code for at, found in answers.items() if not refused(found)
    }
    assert taken == {}
    assert len(answers) > len(routes.pages()) * 3
    assert everything() == before


def test_the_other_forms_of_the_site_refuse_it_too() -> None:
    world = make_world()
    client = Client(enforce_csrf_checks=True)
    client.force_login(user_in("operator", world))

    paths = [
        path for path in admin_rows.SITE if path and "<" not in path and "(" not in path
    ]
    answers = {path: client.post(f"/admin/{path}") for path in paths}

    assert {path for path, found in answers.items() if not refused(found)} == set()


def refused(answer: Any) -> bool:
    """Refused for its origin, or no page at all takes a POST there."""
    return answer.status_code in (403, 404, 405)


def _key(world: Any, model: Any) -> object:
    rows = world.rows.get(model, {})
    return next(iter(rows.values())).pk if rows else 1
