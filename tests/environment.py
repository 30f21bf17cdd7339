"""Sets the environment before Django reads its settings; pytest loads this first.

CDRHOOK_TEST_DATABASE chooses the database: sqlite (a file, the default) or postgres.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from cdrhook.supervisor.ports import free_port
from tests import programs

FOLDER = Path(tempfile.mkdtemp(prefix="cdrhook-test-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
DATABASE = os.environ.get("CDRHOOK_TEST_DATABASE", "sqlite")


POSTGRES_PORT = free_port()
VALKEY_PORT = free_port()


def postgres_url(name: str) -> str:
    """The URL of a database of the suite's PostgreSQL."""
    return programs.postgres_url(POSTGRES_PORT, name)


os.environ.update(
    SECRET_KEY="a key for tests only, which protects nothing",
    CDRHOOK_DATA_DIR=str(FOLDER),
    CDRHOOK_ALLOW_HTTP="1",
    CDRHOOK_ALLOWED_NETWORKS="127.0.0.0/8",
    ALLOWED_HOSTS="testserver,127.0.0.1,localhost",
    REDIS_URL=f"redis://127.0.0.1:{VALKEY_PORT}/0",
    LOG_LEVEL="WARNING",
    # Tests bear more bad tokens in a minute than anybody means to.
    CDRHOOK_REFUSED_TOKENS_PER_MINUTE="0",
)
for name in ("DATABASE_URL", "PUBLIC_URL", "FIELD_ENCRYPTION_KEYS", "DEBUG", "PORT"):
    os.environ.pop(name, None)
if DATABASE == "postgres":
    os.environ["DATABASE_URL"] = postgres_url("cdrhook")
elif DATABASE != "sqlite":
    raise SystemExit(f"CDRHOOK_TEST_DATABASE is {DATABASE!r}; sqlite or postgres")
