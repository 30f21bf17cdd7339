"""What browsers are told about every answer."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.db, pytest.mark.django_db]

PAGES = ("/admin/login/", "/api/v1/docs", "/api/v1/openapi.json", "/api/v1/nothing")


def policy(client, path: str) -> dict[str, str]:
    text = client.get(path)["Content-Security-Policy"]
    return {
        name: rest for name, _, rest in (d.partition(" ") for d in text.split("; "))
    }


@pytest.mark.parametrize("path", PAGES)
def test_no_page_lets_scripts_in_that_are_written_into_it(client, path: str):
    told = policy(client, path)
    assert "unsafe-inline" not in told["script-src"]
    assert (told["default-src"], told["frame-ancestors"]) == ("'none'", "'none'")
    assert told["base-uri"] == "'none'"


def test_only_the_admin_lets_alpine_make_functions_of_texts(client):
    assert policy(client, "/admin/login/")["script-src"] == "'self' 'unsafe-eval'"
    assert policy(client, "/api/v1/docs")["script-src"] == "'self'"


@pytest.mark.parametrize("path", PAGES)
def test_every_answer_bears_the_other_headers(client, path: str):
    headers = client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
