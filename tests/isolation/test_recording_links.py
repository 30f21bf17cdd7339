"""Links to recordings: a link is good for the one call of the one tenant it was made for."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from dispatcher.adapters import cdr_json
from dispatcher.models import StoredCdr, Tenant
from dispatcher.pipeline.recording import PATH, find, recording_url
from tests.admin.roles import World, make_world

pytestmark = [pytest.mark.db, pytest.mark.django_db]

CALLS = ("acme-call", "globex-call", "outsider-call", "no-such-call")


@pytest.fixture
def world(db: None) -> World:
    return make_world()


def token(tenant: Any, uid: str) -> str:
    """That of a link for a call of that uid, whether there is one or not."""
    record = (
        f'{{"uid": "{uid}", "started_at": "2026-11-20T10:00:00Z",'
        ' "recordings": [{"id": "r"}]}'
    )
    query = urlsplit(recording_url(tenant, cdr_json.load(record))).query
    return parse_qs(query)["token"][0]


def asked(method: str, uid: str, signed: str) -> Any:
    response = Client().generic(method, f"{PATH}{uid}?token={signed}")
    return response.status_code, response.content, sorted(response.headers.items())


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_link_that_was_made_for_something_else_is_as_one_that_was_made_up(
    world: World, method: str
) -> None:
    acme = world.of(Tenant, "acme").pk
    made_up = asked(method, "no-such-call", "x.y.z")

    for uid in CALLS:
        # Whose signature is good, but for no call of acme's; and other calls' links.
        for other in CALLS:
            signed = token(acme, other)
            # The world's calls have no recording: none plays, the owner's neither.
            assert asked(method, uid, signed) == made_up, (uid, other)
        assert asked(method, uid, "") == made_up
    assert made_up[0] == 404


def test_the_same_uid_of_another_tenant_is_another_call(world: World) -> None:
    record = (
        '{"uid": "same", "started_at": "2026-11-20T10:00:00Z",'
        ' "recordings": [{"id": "secret", "url": "https://pbx.invalid/secret"}]}'
    )
    acme, globex = (world.of(Tenant, name) for name in ("acme", "globex"))
    known = world.of(StoredCdr, "globex")
    StoredCdr.objects.filter(pk=known.pk).update(uid="same", record=record)

    now = timezone.now()
    assert find("same", token(globex.pk, "same"), now) is not None
    assert find("same", token(acme.pk, "same"), now) is None
