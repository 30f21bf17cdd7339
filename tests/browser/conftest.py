"""A real Chromium at the suite's own server, and what it complains about."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import sync_playwright

from tests import chromium

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

PASSWORD = "correct horse battery"
# Says so if a script of ours, or of somebody else's, was run.
WATCH = """
window.ran = 0;
document.addEventListener("securitypolicyviolation", (event) => {
  console.error("refused by policy: " + event.violatedDirective + " "
    + event.blockedURI + " " + event.sourceFile + ":" + event.lineNumber);
});
"""


@dataclass
class Seen:
    """What a page did that it should not: dialogs, scripts of others, complaints."""

    faults: list[str] = field(default_factory=list)

    def take(self) -> list[str]:
        """What there was since the last time."""
        taken, self.faults = self.faults, []
        return taken


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, without anything of the user's; no longer than these tests need it."""
    program = chromium.find()
    # Playwright runs an event loop in this thread, in which Django refuses to work.
    former = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    try:
        with sync_playwright() as playwright:
            running = playwright.chromium.launch(
                executable_path=program.path, env={**os.environ, **program.env}
            )
            yield running
            running.close()
    finally:
        os.environ.pop("DJANGO_ALLOW_ASYNC_UNSAFE")
        if former is not None:
            os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = former


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def page(browser: Browser, live_server: Any, seen: Seen) -> Iterator[Page]:
    """A page of a new visitor's; whatever it complains about is in `seen`."""
    context = browser.new_context(base_url=live_server.url)
    context.add_init_script(WATCH)
    shown = context.new_page()
    shown.set_default_timeout(20_000)

    def dialog(opened: Any) -> None:
        seen.faults.append(f"dialog: {opened.message}")
        opened.dismiss()

    def console(message: Any) -> None:
        if message.type in {"error", "warning"}:
            seen.faults.append(f"console: {message.text}")

    shown.on("dialog", dialog)
    shown.on("console", console)
    shown.on("pageerror", lambda error: seen.faults.append(f"error: {error}"))
    yield shown
    context.close()


@pytest.fixture
def operator(transactional_db: None) -> User:
    return User.objects.create_superuser("operator", password=PASSWORD)


@pytest.fixture
def logged_in(page: Page, operator: User, live_server: Any) -> Page:
    """The page of an operator who has logged in."""
    client = Client()
    client.force_login(operator)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies(
        [
            {
                "name": settings.SESSION_COOKIE_NAME,
                "value": cookie,
                "url": live_server.url,
            }
        ]
    )
    return page
