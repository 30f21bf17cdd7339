"""`cdrhook web`: the web server by itself, for those who start processes their way."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from cdrhook.start import require_secret_key
from cdrhook.supervisor.web import serve


class Command(BaseCommand):
    """Serves on HOST and PORT until SIGTERM or SIGINT."""

    help = "Runs the web server on HOST and PORT."
    requires_system_checks: tuple[str, ...] = ()

    def handle(self, *_args: object, **_options: object) -> None:
        """Exits 1, saying what to set, where there is no SECRET_KEY."""
        try:
            require_secret_key()
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        serve()
