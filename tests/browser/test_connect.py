"""Connecting a source in a real browser: a token, what to paste, and the light."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

from dispatcher.adapters import kinds
from dispatcher.models import Source
from dispatcher.pipeline import sources
from dispatcher.pipeline.outbound import utc_now

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from dispatcher.models import Tenant
    from tests.browser.conftest import Seen

pytestmark = [pytest.mark.db, pytest.mark.django_db(transaction=True)]

CALL = {"uid": "call-1", "started_at": "2026-11-20T09:37:35+00:00"}


@pytest.fixture
def source(transactional_db: None, acme: Tenant) -> Source:
    return Source.objects.create(tenant=acme, name="switch-1", pbx="generic")


def test_a_token_is_made_and_the_light_turns_green_without_a_reload(
    logged_in: Page, source: Source, seen: Seen
) -> None:
    logged_in.goto(f"/admin/dispatcher/source/{source.pk}/connect/")
    logged_in.click("button:has-text('Make a token')")
    token = logged_in.text_content("#token") or ""
    assert token in (logged_in.text_content("#piece-1") or "")
    assert logged_in.locator(".cdr-light-grey").count() == 1
    logged_in.evaluate("window.kept = true")

    client = Client(headers={"authorization": f"Bearer {token}"})
    path = "/ingest/generic/acme/switch-1"
    client.post(path, json.dumps(CALL), "application/json")

    logged_in.wait_for_selector(".cdr-light-green")
    assert logged_in.locator("text=call-1").count() == 1
    assert logged_in.evaluate("window.kept") is True
    assert seen.take() == []


def test_the_light_goes_on_looking_when_the_server_was_away(
    logged_in: Page, source: Source
) -> None:
    answers = [503, 502]
    logged_in.route(
        "**/light/",
        lambda route: (
            route.fulfill(status=answers.pop(), body="<html>")
            if answers
            else route.continue_()
        ),
    )
    logged_in.goto(f"/admin/dispatcher/source/{source.pk}/connect/")
    assert logged_in.locator(".cdr-light-grey").count() == 1
    token = sources.new_token(source, now=utc_now())
    client = Client(headers={"authorization": f"Bearer {token}"})
    path = "/ingest/generic/acme/switch-1"
    client.post(path, json.dumps(CALL), "application/json")

    logged_in.wait_for_selector(".cdr-light-green")
    assert answers == []


def test_no_page_is_wider_than_a_phone(logged_in: Page, acme: Tenant) -> None:
    logged_in.set_viewport_size({"width": 390, "height": 844})
    for pbx in kinds.kinds():
        source = Source.objects.create(tenant=acme, name=f"{pbx}-1", pbx=pbx)
        logged_in.goto(f"/admin/dispatcher/source/{source.pk}/connect/")

        width = logged_in.evaluate("document.documentElement.scrollWidth")
        assert (pbx, width) == (pbx, 390)


def test_a_button_copies_what_is_to_be_pasted(
    logged_in: Page, source: Source, live_server: Any
) -> None:
    logged_in.context.grant_permissions(["clipboard-read", "clipboard-write"])
    logged_in.goto(f"/admin/dispatcher/source/{source.pk}/connect/")

    logged_in.click("[data-copy=piece-1]")
    logged_in.wait_for_selector("text=Copied")

    copied = logged_in.evaluate("navigator.clipboard.readText()")
    assert copied == logged_in.text_content("#piece-1")


def test_without_a_script_no_button_is_shown_that_would_do_nothing(
    logged_in: Page, source: Source
) -> None:
    logged_in.route("**/source.js", lambda route: route.abort())
    logged_in.goto(f"/admin/dispatcher/source/{source.pk}/connect/")

    assert logged_in.locator("[data-copy]").count() > 0
    assert logged_in.locator("[data-copy]:visible").count() == 0
