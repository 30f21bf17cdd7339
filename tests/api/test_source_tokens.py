"""POST /ingest/{pbx}/{tenant}/{source}, and tokens that are a source's."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

from dispatcher.models import QuarantinedRecord, Source
from dispatcher.pipeline import sources

if TYPE_CHECKING:
    from collections.abc import Callable

    from dispatcher.models import Tenant

pytestmark = [pytest.mark.db, pytest.mark.django_db]

OWN = "/ingest/freeswitch/acme/switch-1"


@pytest.fixture
def source(acme: Tenant) -> Source:
    return Source.objects.create(tenant=acme, name="switch-1", pbx="freeswitch")


@pytest.fixture
def pbx(source: Source, now) -> Client:
    """A client with a token of the source's."""
    token = sources.new_token(source, now=now)
    return Client(headers={"authorization": f"Bearer {token}"})


def post(client: Client, path: str, **options: Any) -> Any:
    return client.post(path, b"?", "text/plain", **options)


@pytest.mark.parametrize("path", [OWN, "/ingest/freeswitch/acme"])
def test_what_comes_with_its_token_is_the_sources_named_or_not(
    pbx: Client, source: Source, path: str
):
    assert post(pbx, path).status_code == 202
    assert QuarantinedRecord.objects.get().from_source == source


def test_the_name_in_the_path_tells_the_source_where_the_token_is_the_tenants(
    api: Client, source: Source
):
    assert post(api, OWN).status_code == 202
    assert QuarantinedRecord.objects.get().from_source == source


def test_a_foreign_source_is_answered_as_one_that_there_is_not(
    api: Client, pbx: Client, acme: Tenant, globex: Tenant
):
    Source.objects.create(tenant=globex, name="theirs", pbx="freeswitch")
    Source.objects.create(tenant=acme, name="other", pbx="freeswitch")
    unknown = [post(client, "/ingest/freeswitch/acme/nobody") for client in (api, pbx)]

    for name in ("theirs", "no%20name", "%00"):
        answer = post(api, f"/ingest/freeswitch/acme/{name}")
        assert (answer.status_code, answer.content) == (404, unknown[0].content)
    for path in ("acme/other", "acme/theirs", "globex/theirs", "globex", "nobody"):
        answer = post(pbx, f"/ingest/freeswitch/{path}")
        assert (answer.status_code, answer.content) == (404, unknown[1].content)
    assert unknown[0].content == unknown[1].content
    assert not QuarantinedRecord.objects.exists()


def test_a_source_of_another_kind_of_pbx_is_not_there(
    pbx: Client, api: Client, source: Source
):
    Source.objects.filter(pk=source.pk).update(pbx="kamailio")

    for client in (pbx, api):
        assert post(client, OWN).status_code == 404


def test_a_source_that_is_switched_off_takes_nothing(pbx: Client, source: Source):
    Source.objects.filter(pk=source.pk).update(active=False)

    answer = post(pbx, OWN)

    assert (answer.status_code, answer.json()["detail"]) == (
        403,
        "The source is switched off.",
    )


@pytest.mark.parametrize(
    ("networks", "address", "status"),
    [
        ("", "203.0.113.7", 202),
        ("203.0.113.0/24\n2001:db8::/32", "203.0.113.7", 202),
        ("203.0.113.0/24\n2001:db8::/32", "2001:db8::1", 202),
        ("203.0.113.0/24", "198.51.100.7", 403),
        ("203.0.113.0/24", "::1", 403),
    ],
)
def test_it_takes_nothing_from_addresses_that_are_not_admitted(
    pbx: Client, source: Source, networks: str, address: str, status: int
):
    Source.objects.filter(pk=source.pk).update(allowed_networks=networks)

    assert post(pbx, OWN, REMOTE_ADDR=address).status_code == status


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/cdrs",
        "/api/v1/webhooks",
        "/rest-api/cdr/1",
        "/v1/partners/cdrcountbyorg",
    ],
)
def test_its_token_is_good_for_nothing_else(
    pbx: Client, path: str, client_for: Callable[..., Client]
):
    answers = [pbx.post(path, b"{}", "application/json"), pbx.get(path)]

    assert {answer.status_code for answer in answers} <= {403, 405}
    assert 403 in {answer.status_code for answer in answers}


def test_as_a_password_it_may_stand_behind_any_user_name(source: Source, now):
    token = sources.new_token(source, now=now)

    for user in ("", "cdrhook", "site:switch-1"):
        login = b64encode(f"{user}:{token}".encode()).decode()
        pbx = Client(headers={"authorization": f"Basic {login}"})
        assert post(pbx, OWN).status_code == 202


def test_a_token_ends_with_its_source(pbx: Client, source: Source, now):
    sources.remove(source, now=now)

    assert post(pbx, OWN).status_code == 401
