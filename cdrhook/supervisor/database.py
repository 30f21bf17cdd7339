"""Brings the database to where the processes expect it: tables, first admin user.

Runs inside `cdrhook up`, before any of its processes uses the database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connections, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

if TYPE_CHECKING:
    from collections.abc import Callable


def prepare(say: Callable[[str], None]) -> None:
    """Applies pending migrations and makes the admin user; closes its connections."""
    try:
        migrate(say)
        create_superuser(say)
    finally:
        for connection in connections.all(initialized_only=True):
            connection.close()
            # PostgreSQL's pool would hold a connection as long as `up` runs.
            if hasattr(connection, "close_pool"):
                connection.close_pool()


def migrate(say: Callable[[str], None]) -> None:
    """Applies pending migrations, telling of each; does nothing where there are none."""
    executor = MigrationExecutor(connections["default"])
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not pending:
        return
    say(f"bringing the database up to date: {len(pending)} migrations")
    call_command("migrate", interactive=False, verbosity=0)
    say("the database is up to date")


def create_superuser(say: Callable[[str], None]) -> None:
    """Makes the admin user that the settings name, where there is none yet.

    The variables are those of Django's own `createsuperuser --noinput`.
    """
    users = get_user_model().objects
    username = settings.DJANGO_SUPERUSER_USERNAME
    password = settings.DJANGO_SUPERUSER_PASSWORD
    if username and password:
        if not users.filter(username=username).exists():
            _create(username, password)
            say(f"made the admin user {username}")
    elif not users.exists():
        say(
            "nobody can log in to the admin yet: set DJANGO_SUPERUSER_USERNAME and"
            " DJANGO_SUPERUSER_PASSWORD, or run `cdrhook createsuperuser`"
        )


def _create(username: str, password: str) -> None:
    # Models cannot be imported before Django is set up.
    from dispatcher.pipeline import audit

    with transaction.atomic(), audit.acting(lambda: audit.Actor("command up")):
        user = get_user_model().objects.create_superuser(username, password=password)
        audit.note("made", user, now=timezone.now(), after=audit.values_of(user))
