"""Every page of the admin in a real browser: nothing that comes from outside is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib import admin
from django.urls import NoReverseMatch, reverse

from dispatcher.models import Source
from tests.browser.conftest import PASSWORD
from tests.browser.evil import MARK, make_evil_world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.contrib.auth.models import User
    from playwright.sync_api import Page

    from tests.browser.conftest import Seen

# On one database only: a browser sees the same pages on both.
pytestmark = pytest.mark.django_db(transaction=True)


def addresses() -> Iterator[str]:
    """Every list, form and row of the admin, and the other pages for people."""
    yield reverse("admin:index")
    yield reverse("admin:balance")
    yield reverse("admin:password_change")
    for source in Source.objects.all():
        yield reverse("admin:dispatcher_source_connect", args=[source.pk])
    for model in admin.site._registry:
        meta = model._meta
        base = f"admin:{meta.app_label}_{meta.model_name}"
        yield reverse(f"{base}_changelist")
        yield from _pages(f"{base}_add")
        key = model._default_manager.values_list("pk", flat=True).first()
        if key is not None:
            for name in ("change", "history"):
                yield from _pages(f"{base}_{name}", key)


def _pages(name: str, *keys: object) -> Iterator[str]:
    try:
        yield reverse(name, args=keys)
    except NoReverseMatch:
        return


def test_logging_in_leads_to_the_overview(page: Page, operator: User, seen: Seen):
    page.goto("/admin/")
    page.fill("input[name=username]", operator.username)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url("**/admin/")
    assert "Overview" in page.title() or page.locator("text=Overview").count()
    assert seen.take() == []


def test_what_comes_from_outside_is_shown_as_text_on_every_page(
    logged_in: Page, seen: Seen
):
    make_evil_world()
    faults, shown = {}, 0
    for address in addresses():
        logged_in.goto(address)
        if ran := logged_in.evaluate("window.ran"):
            seen.faults.append(f"ran {ran} scripts of others")
        shown += logged_in.content().count(MARK)
        if found := [fault for fault in seen.take() if not _refusal(fault)]:
            faults[address] = found
    assert faults == {}
    assert shown > 50, "the pages do not show what is tried"


def _refusal(fault: str) -> bool:
    """A page that there is not, for whoever asks: a form for what is never added."""
    return "403 (Forbidden)" in fault


def test_the_apis_page_works_without_network(page: Page, seen: Seen):
    page.goto("/api/v1/docs")
    page.wait_for_selector("text=Hand over CDRs")
    assert seen.take() == []


def test_a_menu_of_the_admin_opens(logged_in: Page, seen: Seen):
    logged_in.goto("/admin/")
    assert logged_in.evaluate("typeof Alpine") == "object"
    assert seen.take() == []


def test_an_inline_script_would_be_refused(logged_in: Page, seen: Seen):
    logged_in.goto("/admin/")
    logged_in.evaluate(
        """() => {
          const one = document.createElement("script");
          one.textContent = "window.ran += 1";
          document.body.append(one);
          document.body.insertAdjacentHTML(
            "beforeend", "<img src=x: onerror='window.ran += 1'>");
        }"""
    )
    logged_in.wait_for_timeout(200)
    assert logged_in.evaluate("window.ran") == 0
    assert any("script-src" in fault for fault in seen.take())
