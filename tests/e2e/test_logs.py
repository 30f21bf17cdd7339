"""What the log of a real run does not hold: secrets, tokens, numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

from tests.e2e.stack import Tenant, call
from tests.programs import wait_for

if TYPE_CHECKING:
    from tests.e2e.receiver import Receiver
    from tests.e2e.stack import Stack

pytestmark = pytest.mark.e2e

SECRETS = {
    "secret": "signing-secret-8d1f",
    "basic_password": "basic-password-77aa",
}
HEADER = "header-value-5c3e"
GUESSED = "cdr_guessed-token-12ab"
NUMBER = "+442079460123"


def log_in(stack: Stack, password: str) -> None:
    """Tries the admin's login form."""
    with requests.Session() as session:
        page = f"{stack.url}/admin/login/"
        session.get(page, timeout=30)
        form = {
            "username": "admin",
            "password": password,
            "csrfmiddlewaretoken": session.cookies["csrftoken"],
        }
        session.post(page, data=form, timeout=30)


def use_everything(stack: Stack, tenant: Tenant, receiver: Receiver) -> None:
    """Deliveries that arrive and fail, refusals, logins."""
    for path in ("/cdr", "/fails"):
        tenant.webhook(
            receiver.url(path),
            retries=0,
            headers={"x-api-key": HEADER},
            basic_username="cdrhook",
            **SECRETS,
        )
    tenant.webhook("http://127.0.0.1:1/closed", retries=0, **SECRETS)
    tenant.post(call("c-1", caller={"number": NUMBER}))
    tenant.post({"uid": "c-2", "caller": {"number": NUMBER}})
    tenant.post(b"{" + NUMBER.encode(), "/ingest/freeswitch/" + tenant.external_id)
    requests.get(
        f"{stack.url}/api/v1/cdrs/c-1",
        headers={"Authorization": f"Bearer {GUESSED}"},
        timeout=30,
    )
    log_in(stack, stack.env["DJANGO_SUPERUSER_PASSWORD"])
    log_in(stack, "wrong-password-31ff")


def test_no_secret_and_no_number_is_written_into_the_log(stack, tenant, receiver):
    receiver.script["/fails"] = [500]
    use_everything(stack, tenant, receiver)
    wait_for(
        "all attempts",
        lambda: len([one for one in tenant.deliveries() if one["attempts"]]) == 3,
        30,
    )
    stack.log.flush()
    log = (stack.folder / "up.log").read_text(errors="replace")
    assert "delivery.attempted" in log
    token = tenant.headers["Authorization"].removeprefix("Bearer ")
    hidden = {
        *SECRETS.values(),
        *(HEADER, GUESSED, NUMBER, NUMBER[1:], token, "wrong-password-31ff"),
        stack.env["DJANGO_SUPERUSER_PASSWORD"],
        stack.env["SECRET_KEY"],
    }
    assert not [text for text in hidden if text in log]
