"""A real MariaDB on loopback, from Debian's package, as an ordinary user."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pymysql

from cdrhook.supervisor.ports import free_port
from tests import debian
from tests.environment import FOLDER
from tests.programs import postgres_user, running, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGES = ("mariadb-server-core", "mariadb-client-core")


@contextmanager
def mariadb() -> Iterator[int]:
    """Its port; `root` needs no password there."""
    root = debian.root(("mariadbd", "mariadb-install-db"), *PACKAGES)
    # MariaDB refuses to run as root, as PostgreSQL does.
    user = postgres_user()
    if user is not None:
        FOLDER.chmod(0o755)  # what was unpacked lies there
    with tempfile.TemporaryDirectory(prefix="cdrhook-mariadb-") as name:
        folder = Path(name)
        if user is not None:
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        env = {**os.environ, **root.env, "HOME": name}
        common = [
            "--no-defaults",
            f"--basedir={root.folder / 'usr'}",
            f"--datadir={name}/data",
        ]
        with (folder / "log").open("wb") as log:
            subprocess.run(
                [
                    *(str(root.program("mariadb-install-db")), *common),
                    *("--auth-root-authentication-method=normal", "--skip-test-db"),
                ],
                check=True,
                user=user,
                env=env,
                cwd=folder,
                stdout=log,
                stderr=log,
            )
            port = free_port()
            process = subprocess.Popen(
                [
                    *(str(root.program("mariadbd")), *common, f"--port={port}"),
                    *("--bind-address=127.0.0.1", f"--socket={name}/socket"),
                    *("--innodb-buffer-pool-size=16M", "--skip-log-bin"),
                ],
                user=user,
                env=env,
                cwd=folder,
                stdout=log,
                stderr=log,
            )
            with running(process, signal.SIGTERM):
                wait_for("MariaDB's first answer", lambda: _answers(port), 60)
                yield port


def connect(port: int, database: str | None = None) -> pymysql.Connection:
    """As its superuser, with every statement committed at once."""
    return pymysql.connect(
        host="127.0.0.1", port=port, user="root", database=database, autocommit=True
    )


def _answers(port: int) -> bool:
    try:
        connect(port).close()
    except pymysql.Error:
        return False
    return True
