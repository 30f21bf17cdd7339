"""How Django finds the dispatcher and its admin site."""

from __future__ import annotations

from django.apps import AppConfig


class DispatcherConfig(AppConfig):
    """The one app."""

    name = "dispatcher"
    verbose_name = "CDRs by webhook"

    def ready(self) -> None:
        """Registers the system checks."""
        from dispatcher import checks  # noqa: F401  registering is its side effect
