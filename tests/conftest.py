"""The cast and the stage of the whole suite.

Two tenants, acme and globex, and an outsider who may see neither's things.
"""

from __future__ import annotations

import datetime as dt
import re
import secrets
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

from tests import environment, servers
from tests.scheduling import Together, longest_first

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from dispatcher.models import Tenant

NOW = dt.datetime(2026, 11, 20, 10, 0, tzinfo=dt.UTC)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """After whoever shuffles them."""
    items.sort(key=longest_first)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together:
    """For `--numprocesses`."""
    return Together(config, log)


# How the second leg of `make test` chooses, and how a file says that it has such tests.
BOTH_DATABASES = "db or e2e"
_CHOSEN = re.compile(r"\bmark\.(?:db|e2e)\b")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Imports no file of which nothing was chosen: most of the time that choosing takes."""
    if config.option.markexpr != BOTH_DATABASES or collection_path.suffix != ".py":
        return None
    if _CHOSEN.search(collection_path.read_text()):
        return None
    return True


@pytest.fixture(scope="session")
def database_server() -> Iterator[None]:
    """PostgreSQL, where that is what the suite runs on."""
    if environment.DATABASE != "postgres":
        yield
        return
    with servers.postgres():
        yield


@pytest.fixture(scope="session")
def broker() -> Iterator[None]:
    """A real Valkey at settings.REDIS_URL."""
    with servers.valkey():
        yield


@pytest.fixture(scope="session")
def django_db_modify_db_settings(database_server: None) -> None:
    """pytest-django makes its test database after this."""


@pytest.fixture(scope="session", autouse=True)
def found_when_asked_for() -> None:
    """Has each client look for a static file when it is asked for one.

    WhiteNoise reads all of them for each client that is made: a fifth of the time of
    tests that ask for a page or a route.
    """
    from django.conf import settings

    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(scope="session", autouse=True)
def emptied_quickly() -> None:
    """Has PostgreSQL's tables emptied row by row between tests.

    TRUNCATE, Django's way, makes 200 files anew: 200 ms, whatever was in them.
    """
    from django.db import connection

    if connection.vendor == "postgresql":
        connection.ops.sql_flush = _deletes  # type: ignore[assignment, method-assign]


def _deletes(_style: Any, tables: Iterable[str], **_: Any) -> list[str]:
    """All in one transaction, at whose end foreign keys are looked at."""
    return [f'DELETE FROM "{table}"' for table in tables]  # noqa: S608


@pytest.fixture
def now() -> dt.datetime:
    """The time at which tests happen, unless they say otherwise."""
    return NOW


def _tenant(external_id: str, **settings: Any) -> Tenant:
    from dispatcher.models import Tenant

    return Tenant.objects.create(
        external_id=external_id, name=external_id.title(), **settings
    )


@pytest.fixture
def acme(db: None) -> Tenant:
    """A tenant."""
    return _tenant("acme")


@pytest.fixture
def globex(db: None) -> Tenant:
    """Another tenant."""
    return _tenant("globex")


@pytest.fixture
def outsider(db: None) -> Tenant:
    """A tenant that may see nothing of the others."""
    return _tenant("outsider")


@pytest.fixture
def token_of(db: None) -> Callable[..., str]:
    """token_of(tenant or partner, *scopes) -> the bearer token's text."""
    from dispatcher.models import ApiToken, Partner

    def make(owner: Any, *scopes: str) -> str:
        text = "cdr_" + secrets.token_urlsafe(32)
        whose = "partner" if isinstance(owner, Partner) else "tenant"
        ApiToken.objects.create(
            digest=ApiToken.digest_of(text),
            hint=text[-4:],
            **{whose: owner},
            **{f"can_{scope}": True for scope in scopes},
        )
        return text

    return make


@pytest.fixture
def client_for(token_of: Callable[..., str]) -> Callable[..., Client]:
    """client_for(tenant, *scopes) -> a client that bears such a token."""

    def make(owner: Any, *scopes: str) -> Client:
        token = token_of(owner, *(scopes or ("ingest", "read", "manage")))
        return Client(headers={"authorization": f"Bearer {token}"})

    return make
