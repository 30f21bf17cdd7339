"""Opens databases of PBXs, for reading only, with a time for everything.

SQLAlchemy and drivers are an extra (`collect`), loaded when they are first asked for.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from dispatcher.collecting.trouble import Trouble

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Engine

DRIVERS: Final = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    "sqlite": "sqlite",
}
CONNECT_SECONDS: Final = 10
STATEMENT_SECONDS: Final = 30
# What the URL says beside what its driver understands.
SINCE: Final = "since"
ALL: Final = "all"
_MISSING: Final = (
    "Databases of PBXs need the extra: pip install 'cdrhook[collect]' (and"
    " 'cdrhook[postgres]' for PostgreSQL)."
)


@dataclass(frozen=True, slots=True)
class Target:
    """Which database; `since` is a date, a time or `all`, None for "from now on"."""

    url: URL
    since: dt.datetime | str | None


def is_database(connection: str) -> bool:
    """Whether a source's connection names one."""
    return connection.partition("://")[0] in DRIVERS


def target_of(connection: str) -> Target:
    """Reads postgresql://, mysql:// or sqlite:///path. Raises Trouble."""
    try:
        from sqlalchemy import make_url
        from sqlalchemy.exc import ArgumentError
    except ImportError as error:
        raise Trouble(_MISSING, error) from error
    try:
        url = make_url(connection)
    except (ArgumentError, ValueError) as error:
        raise Trouble("The connection is no URL of a database.") from error
    since = url.query.get(SINCE)
    url = url.difference_update_query([SINCE]).set(drivername=DRIVERS[url.drivername])
    if url.drivername == "sqlite" and not url.database:
        raise Trouble("The connection must read sqlite:///path, the path of a file.")
    return Target(url, _since(since))


def _since(text: Any) -> dt.datetime | str | None:
    if text is None:
        return None
    if text == ALL:
        return ALL
    try:
        return dt.datetime.fromisoformat(str(text))
    except ValueError as error:
        raise Trouble("since= must be a date such as 2026-11-01, or all.") from error


def engine_for(url: URL) -> Engine:
    """An engine with one connection, kept between reads; SQLite's is opened anew.

    Nothing is asked of the database yet. Raises Trouble where a driver is missing.
    """
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    try:
        if url.drivername == "sqlite":
            return create_engine(
                "sqlite://",
                creator=lambda: _sqlite(str(url.database)),
                poolclass=NullPool,
            )
        engine = create_engine(
            url,
            pool_size=1,
            max_overflow=0,
            isolation_level="AUTOCOMMIT",
            connect_args=_ARGUMENTS[url.drivername],
        )
    except ImportError as error:
        raise Trouble(_MISSING, error) from error
    _make_read_only(engine)
    return engine


_ARGUMENTS: Final[dict[str, dict[str, Any]]] = {
    "postgresql+psycopg": {
        "connect_timeout": CONNECT_SECONDS,
        "keepalives_idle": CONNECT_SECONDS,
        "tcp_user_timeout": STATEMENT_SECONDS * 1000,
    },
    "mysql+pymysql": {
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": STATEMENT_SECONDS,
        "write_timeout": STATEMENT_SECONDS,
        "charset": "utf8mb4",
    },
}
_READ_ONLY: Final = {
    "postgresql": (
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        f"SET statement_timeout = {STATEMENT_SECONDS * 1000}",
    ),
    "mysql": ("SET SESSION TRANSACTION READ ONLY",),
}


def _make_read_only(engine: Engine) -> None:
    from sqlalchemy import event

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            for statement in _READ_ONLY[engine.dialect.name]:
                cursor.execute(statement)
        connection.commit()


def _sqlite(path: str) -> sqlite3.Connection:
    name = quote(str(Path(path).absolute()))
    connection = sqlite3.connect(
        f"file:{name}?mode=ro", uri=True, timeout=5, check_same_thread=False
    )
    # A PBX stores what a phone sent, in whatever encoding that was.
    connection.text_factory = lambda text: text.decode(errors="replace")
    return connection


@contextmanager
def told(what: str) -> Iterator[None]:
    """Makes Trouble of what SQLAlchemy raises within: "what: why"."""
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    try:
        yield
    except DBAPIError as error:
        raise Trouble(f"{what}: {_why(error.orig)}.", error.orig) from error
    except (SQLAlchemyError, OSError, ValueError) as error:
        raise Trouble(f"{what}: {type(error).__name__}.", error) from error


_REASONS: Final = (
    ("the login is refused", ("authentication failed", "access denied", "no password")),
    ("nobody answers", ("timed out", "timeout", "timeout expired")),
    ("connection refused", ("refused",)),
    ("the host's name is not known", ("name or service", "resolve", "getaddrinfo")),
    ("there is no such database", ("unknown database", "does not exist")),
    ("the file cannot be opened", ("unable to open",)),
    ("it is locked", ("locked",)),
    ("reading is not allowed", ("permission denied", "denied")),
    ("the connection broke", ("lost connection", "closed", "gone away", "terminat")),
)


def _why(error: object) -> str:
    """In words of ours: drivers name hosts, users and statements."""
    said = str(error).lower()
    for reason, signs in _REASONS:
        if any(sign in said for sign in signs):
            return reason
    return type(error).__name__
