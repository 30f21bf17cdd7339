"""The suite's own PostgreSQL and Valkey, at the addresses of `tests.environment`."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from tests import programs
from tests.environment import FOLDER, POSTGRES_PORT, VALKEY_PORT, postgres_url

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def valkey() -> Iterator[None]:
    """A Valkey on VALKEY_PORT that keeps nothing."""
    with programs.valkey(FOLDER, VALKEY_PORT):
        yield


@contextmanager
def postgres() -> Iterator[None]:
    """A PostgreSQL on POSTGRES_PORT with a superuser `cdrhook` and synchronous commit."""
    with programs.postgres(FOLDER, POSTGRES_PORT):
        yield


def create_database(name: str) -> None:
    """Makes an empty database in the suite's PostgreSQL."""
    with psycopg.connect(postgres_url("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
