"""POST /ingest/{pbx}/{tenant}."""

from __future__ import annotations

import gzip

import pytest
from django.test import Client

from dispatcher.api import body, ingest
from dispatcher.models import QuarantinedRecord
from dispatcher.pipeline.accept import StorageUnavailable

pytestmark = [pytest.mark.db, pytest.mark.django_db]

PATH = "/ingest/freeswitch/acme"


def test_bytes_that_cannot_be_decoded_are_kept_as_they_came(api):
    response = api.post(f"{PATH}?uuid=x", b"\xff\x00?", content_type="text/plain")

    kept = QuarantinedRecord.objects.get()
    assert (response.status_code, response.json()) == (
        202,
        {"accepted": 0, "duplicates": 0, "quarantined": 1},
    )
    assert bytes(kept.body) == b"\xff\x00?"
    assert (kept.content_type, kept.query) == ("text/plain", "uuid=x")
    assert kept.sender == "127.0.0.1"


def test_an_unknown_pbx_and_a_foreign_tenant_are_not_there(globex, api):
    for path in ("/ingest/nothing/acme", "/ingest/freeswitch/globex"):
        response = api.post(path, b"{}", content_type="application/json")

        assert response.status_code == 404


def test_a_partner_hands_over_for_the_tenant_in_the_path(initech, partner, client_for):
    response = client_for(partner, "ingest").post(
        "/ingest/freeswitch/initech", b"?", content_type="text/plain"
    )

    assert response.status_code == 202
    assert QuarantinedRecord.objects.get().tenant == initech


def test_more_than_five_mebibytes_are_too_large(api):
    response = api.post(
        PATH, b" " * (body.MAX_BYTES + 1), content_type="application/json"
    )

    assert response.status_code == 413
    assert not QuarantinedRecord.objects.exists()


def test_it_says_when_to_try_again_if_it_cannot_commit(api, monkeypatch):
    def locked(*_: object, **__: object) -> None:
        raise StorageUnavailable("database is locked")

    monkeypatch.setattr(ingest, "ingest", locked)

    response = api.post(PATH, b"{}", content_type="application/json")

    assert response.status_code == 503
    assert "Retry-After" in response


def test_a_pbx_that_waits_to_be_asked_is_asked_for_basic_and_bearer(acme):
    answer = Client().post(PATH, b"{}", "application/json")

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert "Basic " in answer.headers["WWW-Authenticate"]


def test_a_compressed_body_is_kept_in_quarantine(api):
    answer = api.post(
        PATH,
        gzip.compress(b"{}"),
        "application/json",
        headers={"content-encoding": "gzip"},
    )

    assert (answer.status_code, answer.json()["quarantined"]) == (202, 1)
