"""PBXs that speak HTTP in a way of their own: methods, signatures, what is success."""

from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path

import pytest
from django.test import Client

from dispatcher.models import QuarantinedRecord, RawRecord, Source, StoredCdr

pytestmark = [pytest.mark.db, pytest.mark.django_db]

SAMPLES = Path(__file__).parents[1] / "samples"
P_SERIES = (SAMPLES / "yeastar" / "documented_p_series.json").read_bytes()
FORM = (SAMPLES / "yeastar" / "documented_p_series.form").read_text()
HOOK = (SAMPLES / "kazoo" / "documented_channel_destroy.form").read_text()
SECRET = "0123456789abcdef0123456789abcdef"
ONE_MORE = {"accepted": 1, "duplicates": 0, "quarantined": 0}


@pytest.fixture
def p560(acme):
    return Source.objects.create(tenant=acme, name="p560", pbx="yeastar", secret=SECRET)


def signature(body: bytes) -> dict[str, str]:
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).digest()
    return {"x-signature": base64.b64encode(digest).decode()}


def test_a_query_is_taken_of_a_pbx_that_sends_one_and_kept_as_it_came(api):
    response = api.get(f"/ingest/yeastar/acme?{FORM}")

    assert (response.status_code, response.json()) == (202, ONE_MORE)
    assert RawRecord.objects.get().body == FORM.encode()


def test_a_query_that_cannot_be_read_is_quarantined_as_it_came(api):
    for query in ("a=1", "a=2"):
        response = api.get(f"/ingest/kazoo/acme?{query}")

        assert response.json()["quarantined"] == 1
    kept = QuarantinedRecord.objects.values_list("body", flat=True)
    assert {bytes(body) for body in kept} == {b"a=1", b"a=2"}


@pytest.mark.parametrize(
    ("method", "pbx", "allowed"),
    [
        ("GET", "freeswitch", "POST"),
        ("PUT", "webex", "POST"),
        ("PUT", "yeastar", "GET, POST"),
    ],
)
def test_a_method_that_a_pbx_does_not_use_is_refused(api, method, pbx, allowed):
    response = api.generic(method, f"/ingest/{pbx}/acme?a=1", b"")

    assert (response.status_code, response["Allow"]) == (405, allowed)
    assert not QuarantinedRecord.objects.exists()


def test_a_query_without_a_token_is_refused(acme):
    assert Client().get(f"/ingest/yeastar/acme?{FORM}").status_code == 401


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_a_hook_of_kazoo_is_answered_200_by_each_method(api, method):
    query, body = (HOOK, "") if method == "GET" else ("", HOOK)

    response = api.generic(
        method, f"/ingest/kazoo/acme?{query}", body, headers={"x-hook-id": "a1.b2"}
    )

    assert (response.status_code, response.json()) == (200, ONE_MORE)


def test_who_posts_what_kazoo_would_is_answered_202(api):
    response = api.generic("POST", "/ingest/kazoo/acme", HOOK)

    assert response.status_code == 202


def test_a_report_that_is_signed_is_taken(api, p560):
    response = api.generic(
        "POST", "/ingest/yeastar/acme/p560", P_SERIES, headers=signature(P_SERIES)
    )

    assert (response.status_code, response.json()) == (202, ONE_MORE)


@pytest.mark.parametrize("headers", [{}, signature(b"another body")])
def test_a_report_with_no_or_another_signature_is_refused_and_not_kept(
    api, p560, headers
):
    response = api.generic(
        "POST", "/ingest/yeastar/acme/p560", P_SERIES, headers=headers
    )

    assert response.status_code == 401
    assert "X-Signature" in response.json()["detail"]
    assert not StoredCdr.objects.exists()
    assert not QuarantinedRecord.objects.exists()


def test_each_record_of_a_list_is_kept_by_its_own_bytes(api):
    body = (SAMPLES / "webex" / "documented_items.json").read_bytes()

    response = api.generic("POST", "/ingest/webex/acme", body)

    assert response.json() == {"accepted": 2, "duplicates": 0, "quarantined": 1}
    raws = [raw.body for raw in RawRecord.objects.all()]
    raws.append(bytes(QuarantinedRecord.objects.get().body))
    assert all(raw in body for raw in raws)
    assert len(set(raws)) == 3
