"""Django's `createsuperuser`, noted in the audit log."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.management.commands import createsuperuser
from django.db import transaction
from django.utils import timezone

from dispatcher.pipeline import audit


class Command(createsuperuser.Command):
    """Makes an operator."""

    def handle(self, *args: Any, **options: Any) -> None:
        """As Django does, and notes whom it made."""
        actor = audit.Actor("command createsuperuser")
        with transaction.atomic(), audit.acting(lambda: actor):
            known = set(get_user_model().objects.values_list("pk", flat=True))
            super().handle(*args, **options)
            for user in get_user_model().objects.exclude(pk__in=known):
                after = audit.values_of(user)
                audit.note("made", user, now=timezone.now(), after=after)
