"""The matrix of the HTTP interface: every route, every caller, things of somebody else.

Foreign and unknown things get the same bytes and headers by the same queries, and
change nothing.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dispatcher import tasks
from dispatcher.api import webhooks as webhook_routes
from dispatcher.api.problems import not_found
from dispatcher.models import (
    ApiToken,
    Delivery,
    Partner,
    Replay,
    Source,
    StoredCdr,
    Tenant,
    Webhook,
)
from tests.admin.roles import OWNERS, World, make_world
from tests.isolation import api_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.db, pytest.mark.django_db]

ROWS: Final = api_rows.rows()
# Caller -> the owner whose token it bears, and whose things are foreign to it.
CALLERS: Final = {
    "tenant": ("acme", ["globex", "outsider", "north", "south"]),
    "partner": ("north", ["outsider", "south"]),
}
SCOPES: Final = ("ingest", "read", "manage")
_TRACKING: Final = re.compile(r"CDRHOOK_[0-9a-f-]{36}")
_LITERALS: Final = re.compile(r"'[^']*'|\b[0-9a-f]{32}\b|\b\d+\b")


@pytest.fixture
def world(db: None) -> World:
    made = make_world()
    for tenant in Tenant.objects.all():
        for pbx in api_rows.PBXS.values():
            Source.objects.create(tenant=tenant, name=pbx, pbx=pbx)
    return made


@pytest.fixture(autouse=True)
def nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """No receiver and no broker is asked."""
    monkeypatch.setattr(tasks, "wake_up", lambda _ids: None)

    def test_call(*_args: Any, **_options: Any) -> Any:
        raise not_found()

    monkeypatch.setattr(webhook_routes, "test_call", test_call)


@pytest.fixture
def bearing(world: World, token_of: Callable[..., str]) -> Callable[..., Client]:
    """bearing("acme", *scopes) -> a client with such a token."""

    def make(owner: str, *scopes: str) -> Client:
        kind = Partner if owner in world.rows[Partner] else Tenant
        text = token_of(world.of(kind, owner), *(scopes or SCOPES))
        return Client(headers={"authorization": f"Bearer {text}"})

    return make


# What is named ----------------------------------------------------------------------


def things_of(world: World, owner: str) -> dict[str, str]:
    """An owner's things by kind; a partner's calls are those of a tenant of it."""
    caller = {"north": "acme", "south": "outsider"}.get(owner, owner)
    partner = {"acme": "north", "globex": "north", "outsider": "south"}
    delivery = world.of(Delivery, owner).pk
    return {
        "webhook": str(world.of(Webhook, owner).pk),
        "delivery": str(delivery),
        "cursor": _cursor(delivery),
        "replay": str(world.of(Replay, owner).pk),
        "cdr": str(world.of(StoredCdr, caller).pk),
        "uid": f"{caller}-call",
        "tenant": caller,
        "source": f"{caller}-switch",
        "partner": str(world.of(Partner, partner.get(owner, owner)).pk),
    }


def like(things: dict[str, str]) -> dict[str, str]:
    """Names like these of things that there are not."""
    beside = {kind: _beside(name) for kind, name in things.items() if len(name) == 36}
    delivery = UUID(beside["delivery"])
    return {
        **beside,
        "uid": things["uid"][:-1] + "_",
        "tenant": things["tenant"][:-1] + "_",
        "source": things["source"][:-1] + "_",
        "cursor": _cursor(delivery),
    }


def _beside(key: str) -> str:
    return str(UUID(int=UUID(key).int ^ 1))


def _cursor(key: UUID) -> str:
    return base64.urlsafe_b64encode(key.bytes).decode().rstrip("=")


def foreign_to(world: World, caller: str) -> Iterator[dict[str, str]]:
    own = {"acme": {"acme"}, "north": {"acme", "globex"}}[CALLERS[caller][0]]
    for owner in CALLERS[caller][1]:
        things = things_of(world, owner)
        # What a partner's webhook sends of acme's calls bears the call's own names.
        if things["tenant"] in own:
            other = things_of(world, "outsider")
            things |= {kind: other[kind] for kind in ("cdr", "uid", "tenant", "source")}
        yield things


# What is answered -------------------------------------------------------------------


def asked(client: Client, route: str, filled: tuple[str, bytes]) -> Any:
    """All that a caller can tell of an answer, and the queries that it took."""
    path, body = filled
    method = route.partition(" ")[0]
    with CaptureQueriesContext(connection) as queries:
        response = client.generic(method, path, body, content_type="application/json")
    headers = {
        name: _TRACKING.sub("", value) for name, value in response.headers.items()
    }
    text = _TRACKING.sub("", response.content.decode())
    # The token's own row is touched once a minute.
    steps = [
        _LITERALS.sub("?", query["sql"])
        for query in queries
        if not query["sql"].startswith(("UPDATE", "SAVEPOINT", "RELEASE"))
    ]
    return response.status_code, text, headers, steps


def everything() -> dict[str, list[Any]]:
    """All rows of all tables, but when tokens were last used."""
    rows = {
        model._meta.label: list(model._default_manager.order_by("pk").values())
        for model in apps.get_models()
    }
    for token in rows[ApiToken._meta.label]:
        del token["last_used_at"]
    return rows


def naming_a_tenant(row: api_rows.Row, caller: str) -> list[api_rows.Ask]:
    """A partner's token also asks on behalf of one of its tenants."""
    asks = list(row.asks)
    if caller == "partner":
        asks += [
            api_rows.Ask(
                ask.path + ("&" if "?" in ask.path else "?") + "tenant=acme", ask.body
            )
            for ask in row.asks
            if "tenant=" not in ask.path
        ]
    return asks


# The matrix -------------------------------------------------------------------------


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("route", ROWS)
def test_foreign_and_unknown_are_told_apart_by_nothing_and_changed_by_nobody(
    world: World, bearing: Any, route: str, caller: str
) -> None:
    client = bearing(CALLERS[caller][0])
    before = everything()

    for ask in naming_a_tenant(ROWS[route], caller):
        for things in foreign_to(world, caller):
            foreign = asked(client, route, ask.filled(things))
            unknown = asked(client, route, ask.filled(like(things)))
            assert foreign == unknown, ask
            shown = foreign[1].replace(things["tenant"], "")
            assert not {name for name in OWNERS - {"north", "acme"} if name in shown}
    assert everything() == before


@pytest.mark.parametrize(
    ("route", "owner"),
    [
        (route, owner)
        for route, row in ROWS.items()
        for owner in (["north"] if row.for_partners else ["acme", "north"])
    ],
)
def test_the_owner_of_a_thing_is_not_told_that_there_is_none(
    world: World, bearing: Any, route: str, owner: str
) -> None:
    client, row = bearing(owner), ROWS[route]
    # Of a test call there is nothing but the receiver's answer.
    expected = {404} if route.endswith("/test") else {200, 201, 202, 204, 409, 422}

    statuses = {
        asked(client, route, ask.filled(things_of(world, owner)))[0]
        for ask in naming_a_tenant(row, "partner" if owner == "north" else "tenant")
    }

    assert statuses & expected


# Whoever is not let in --------------------------------------------------------------


@pytest.fixture
def refused(world: World, token_of: Callable[..., str]) -> list[Client]:
    """Callers that get in nowhere: nobody, and whose token is not good."""
    texts = ["cdr_" + "x" * 43]
    for column in ("revoked_at", "expires_at"):
        text = token_of(world.of(Tenant, "acme"), *SCOPES)
        token = ApiToken.objects.filter(digest=ApiToken.digest_of(text))
        token.update(**{column: timezone.now()})
        texts.append(text)
    bearers = [Client(headers={"authorization": f"Bearer {text}"}) for text in texts]
    return [Client(), *bearers]


@pytest.mark.parametrize("route", ROWS)
def test_without_a_good_token_nothing_is_told_whatever_is_asked(
    world: World, refused: list[Client], route: str
) -> None:
    before, kinds = everything(), ("acme", "globex", "outsider", "north", "south")
    named = [things_of(world, owner) for owner in kinds]
    named += [like(things) for things in named]

    for ask in ROWS[route].asks:
        answers = {
            str(asked(client, route, ask.filled(things))[:3])
            for client in refused
            for things in named
        }
        assert len(answers) == 1
        assert next(iter(answers)).startswith("(401,")
    assert everything() == before


@pytest.mark.parametrize("route", ROWS)
def test_without_the_scope_nothing_is_told_whatever_is_asked(
    world: World, bearing: Any, route: str
) -> None:
    others = [scope for scope in SCOPES if scope != ROWS[route].scope]
    named = [things_of(world, owner) for owner in ("acme", "globex", "outsider")]
    named += [like(things) for things in named]
    before = everything()

    for owner in ("acme", "north"):
        client = bearing(owner, *others)
        before["dispatcher.ApiToken"] = everything()["dispatcher.ApiToken"]
        for ask in ROWS[route].asks:
            answers = {
                str(asked(client, route, ask.filled(things))[:3]) for things in named
            }
            assert len(answers) == 1
            assert next(iter(answers)).startswith("(403,")
    assert everything() == before


@pytest.mark.parametrize("path", api_rows.PUBLIC.values())
def test_what_needs_no_token_names_nobody(world: World, path: str) -> None:
    for client in (Client(), Client(headers={"authorization": "Bearer x"})):
        text = client.get(path).content.decode()
        assert not {name for name in OWNERS - {"north", "south"} if name in text}


@pytest.mark.parametrize(
    "key", ["x", "..", "%00", "{" + str(UUID(int=0)) + "}", f"{UUID(int=0)}x"]
)
@pytest.mark.parametrize(
    "path", ["/api/v1/webhooks/{}", "/api/v1/deliveries/{}", "/rest-api/cdr/{}"]
)
def test_what_is_no_id_is_unknown_too(bearing: Any, path: str, key: str) -> None:
    response = bearing("acme").get(path.format(key))

    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"
