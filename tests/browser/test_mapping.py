"""The mapping's page in a real browser, with a sample that tries to run scripts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from dispatcher.models import Source, Tenant
from tests.browser.evil import EVIL, MARK

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import Seen

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def editor(page: Page, live_server: Any) -> Page:
    """The page of a source's mapping, opened by an operator."""
    client = Client()
    client.force_login(User.objects.create_superuser("operator", password="x"))
    name = settings.SESSION_COOKIE_NAME
    cookie = {"name": name, "value": client.cookies[name].value, "url": live_server.url}
    page.context.add_cookies([cookie])  # type: ignore[list-item]  # its type is not exported
    tenant = Tenant.objects.create(external_id="acme", name="Acme")
    source = Source.objects.create(tenant=tenant, name="hall", pbx="generic")
    page.goto(reverse("admin:dispatcher_source_mapping", args=[source.pk]))
    return page


def fill(page: Page, number: int, ours: str, theirs: str, how: str = "") -> None:
    page.locator("input[name=ours]").nth(number).fill(ours)
    page.locator("input[name=theirs]").nth(number).fill(theirs)
    page.locator("select[name=how]").nth(number).select_option(how)


def test_markup_of_a_sample_is_shown_as_text(editor: Page, seen: Seen):
    sample = {"id": EVIL, "begin": 1790000000, EVIL: EVIL, "from": {"name": EVIL}}
    fill(editor, 0, "uid", "id")
    fill(editor, 1, "started_at", "begin", "unix_s")
    fill(editor, 2, "caller.name", "from.name")
    editor.fill("#sample", json.dumps(sample))

    editor.click("button[formaction]")
    editor.wait_for_selector("#preview")

    assert editor.content().count(MARK) > 5
    assert editor.evaluate("window.ran") == 0
    assert seen.take() == []


def test_markup_in_a_mapping_is_shown_as_text(editor: Page, seen: Seen):
    fill(editor, 0, EVIL, EVIL)
    editor.locator("textarea[name=details]").nth(0).fill(EVIL)

    editor.click("text=Save the mapping")
    editor.wait_for_selector("[role=alert]")

    assert editor.content().count(MARK) > 3
    assert editor.evaluate("window.ran") == 0
    assert seen.take() == []


def test_from_a_preset_to_a_saved_mapping_by_clicks_alone(editor: Page, seen: Seen):
    line = (
        "Call 7,A_7,00:00:09,2026/07/23 14:00:00,,2026/07/23 14:00:09,"
        "TerminatedBySrc,Ext.104,Ext.105,104,105,105"
    )
    editor.select_option("select[name=preset]", "3cx")
    editor.click("text=Start from this")
    editor.fill("#sample", line)
    editor.click("button[formaction]")
    editor.wait_for_selector("#preview")
    assert "cancelled" in editor.inner_text("#preview")

    editor.click("text=Save the mapping")
    editor.wait_for_selector("text=The mapping is saved")

    assert Source.objects.get().mapping["fields"]["uid"] == "callid"
    assert seen.take() == []
