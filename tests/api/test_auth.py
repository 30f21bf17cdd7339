"""Who is let in: tokens, scopes, partners."""

from __future__ import annotations

import base64
import datetime as dt

import pytest
from django.test import Client
from django.utils import timezone

from dispatcher.models import ApiToken
from tests.api.conftest import record

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def test_no_token_is_asked_for_one(db):
    response = Client().get("/api/v1/webhooks")

    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")
    assert response["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("header", ["Bearer nonsense", "Basic !", "Bearer", "x y z"])
def test_a_bad_token_is_answered_like_none(acme, header):
    response = Client(headers={"authorization": header}).get("/api/v1/webhooks")

    assert response.status_code == 401


@pytest.mark.parametrize("field", ["expires_at", "revoked_at"])
def test_an_expired_or_revoked_token_is_bad(api, field):
    ApiToken.objects.update(**{field: timezone.now() - dt.timedelta(seconds=1)})

    assert api.get("/api/v1/webhooks").status_code == 401


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("read", "GET", "/api/v1/webhooks"),
        ("read", "GET", "/api/v1/deliveries"),
        ("manage", "POST", "/api/v1/webhooks"),
        ("ingest", "POST", "/api/v1/cdrs"),
        ("ingest", "POST", "/ingest/freeswitch/acme"),
    ],
)
def test_scopes_do_not_imply_each_other(acme, client_for, scope, method, path):
    others = {"ingest", "read", "manage"} - {scope}

    with_others = client_for(acme, *others).generic(method, path)
    with_it = client_for(acme, scope).generic(method, path)

    assert with_others.status_code == 403
    assert scope in with_others.json()["detail"]
    assert with_it.status_code not in {401, 403}


def test_using_a_token_is_noted_at_most_once_a_minute(api):
    api.get("/api/v1/webhooks")
    first = ApiToken.objects.get().last_used_at
    api.get("/api/v1/webhooks")

    assert first is not None
    assert ApiToken.objects.get().last_used_at == first


def test_a_partners_token_must_name_the_tenant(initech, partner, client_for, send):
    client = client_for(partner)

    status, problem = send("POST", "/api/v1/cdrs", record("a"), client)

    assert status == 422
    assert problem["errors"][0]["field"] == "tenant"


def test_a_partners_token_speaks_for_the_tenant_that_it_names(
    initech, partner, client_for, send
):
    client = client_for(partner)

    status, _ = send("POST", "/api/v1/cdrs?tenant=initech", record("a"), client)

    assert status == 202
    assert initech.cdrs.get().uid == "a"


@pytest.mark.parametrize("name", ["acme", "nobody", "%00", "a%20b"])
def test_a_partners_token_does_not_reach_other_tenants(
    acme, initech, partner, client_for, name
):
    response = client_for(partner).get(f"/api/v1/webhooks?tenant={name}")

    assert response.status_code == 404


def test_a_tenants_token_may_name_its_own_tenant_only(acme, globex, api):
    assert api.get("/api/v1/webhooks?tenant=acme").status_code == 200
    assert api.get("/api/v1/webhooks?tenant=globex").status_code == 404


def test_a_pbx_may_give_the_token_as_a_password(acme, token_of):
    token = token_of(acme, "ingest")
    basic = base64.b64encode(f"pbx:{token}".encode()).decode()
    client = Client(headers={"authorization": f"Basic {basic}"})

    response = client.post("/ingest/freeswitch/acme", b"?", content_type="text/plain")

    assert response.status_code == 202


def test_the_user_of_basic_may_be_in_any_encoding(acme, token_of):
    login = b"B\xfcro:" + token_of(acme, "ingest").encode()
    client = Client(
        headers={"authorization": f"Basic {base64.b64encode(login).decode()}"}
    )

    answer = client.post("/ingest/freeswitch/acme", b"?", "application/json")

    assert answer.status_code == 202


def test_basic_is_for_pbxs_only(acme, token_of):
    token = token_of(acme, "read")
    basic = base64.b64encode(f"pbx:{token}".encode()).decode()
    client = Client(headers={"authorization": f"Basic {basic}"})

    assert client.get("/api/v1/webhooks").status_code == 401
