"""Every error is a problem document."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, OperationalError
from django.test import Client

from dispatcher.api import webhooks

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.mark.parametrize(
    "path", ["/api/", "/api/v1/nothing", "/api/v2/cdrs", "/ingest/x", "/rest-api/"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_path_that_there_is_not_is_a_problem(method, path):
    response = Client(enforce_csrf_checks=True).generic(method, path)

    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["status"] == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/api/v1/cdrs", "POST"),
        ("PUT", "/api/v1/webhooks", "GET, POST"),
        ("GET", "/ingest/freeswitch/acme", "POST"),
        ("POST", "/healthz", "GET"),
    ],
)
def test_a_method_that_a_path_does_not_take_is_a_problem(api, method, path, allowed):
    response = api.generic(method, path)

    assert response.status_code == 405
    assert response["Allow"] == allowed
    assert response.json()["title"] == "Method Not Allowed"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OperationalError("database is locked"), 503),
        (IntegrityError("broken"), 500),
        (RuntimeError("a detail that is nobody's business"), 500),
    ],
)
def test_a_failure_of_ours_tells_no_details(api, monkeypatch, error, status):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(webhooks, "webhook_json", fail)
    monkeypatch.setattr(webhooks, "_one", fail)

    response = api.get("/api/v1/webhooks/x")

    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    assert str(error) not in response.content.decode()
    assert ("Retry-After" in response) == (status == 503)


def test_a_host_that_is_not_ours_is_a_problem(db):
    response = Client().get("/api/v1/webhooks", headers={"host": "evil.example"})

    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"


def test_answers_are_kept_by_no_cache(api):
    assert api.get("/api/v1/webhooks")["Cache-Control"] == "no-store"
