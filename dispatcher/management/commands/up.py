"""`cdrhook up`: everything, supervised, until it is told to stop."""

from __future__ import annotations

from django.core.management.base import BaseCommand, CommandError

from cdrhook.supervisor.folder import FolderInUseError
from cdrhook.supervisor.up import CannotStartError, up
from cdrhook.supervisor.valkey import NoServerError


class Command(BaseCommand):
    """Migrates, then supervises web, workers, beat and, without REDIS_URL, Valkey."""

    help = (
        "Migrates the database, then runs web, workers, beat and (where REDIS_URL is"
        " unset) Valkey until SIGINT, SIGTERM or SIGHUP."
    )
    requires_system_checks: tuple[str, ...] = ()

    def handle(self, *_args: object, **_options: object) -> None:
        """Exits 1 with the reason where it cannot start."""
        try:
            up()
        except (CannotStartError, FolderInUseError, NoServerError) as error:
            raise CommandError(str(error)) from error
