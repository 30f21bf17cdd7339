"""Django's `changepassword`, noted in the audit log."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.management.commands import changepassword
from django.db import transaction
from django.utils import timezone

from dispatcher.pipeline import audit


class Command(changepassword.Command):
    """Gives a user another password."""

    def handle(self, *args: Any, **options: Any) -> str:
        """As Django does, and notes whose it was."""
        actor = audit.Actor("command changepassword")
        with transaction.atomic(), audit.acting(lambda: actor):
            said = super().handle(*args, **options)
            user = get_user_model().objects.get(username=options["username"])
            audit.note("password changed", user, now=timezone.now())
        return str(said)
