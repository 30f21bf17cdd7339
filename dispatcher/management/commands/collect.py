"""`cdrhook collect`: fetches calls from sources that have a folder or a connection."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from cdrhook.start import require_secret_key
from dispatcher.pipeline.collect import Collector
from dispatcher.pipeline.outbound import utc_now

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID


class Command(BaseCommand):
    """Runs until SIGTERM or SIGINT; any number of machines may run one."""

    help = "Fetches calls from folders, databases and Asterisk's AMI, as sources say."
    requires_system_checks: tuple[str, ...] = ()

    def handle(self, *_args: object, **_options: object) -> None:
        """Exits 1, saying what to set, where there is no SECRET_KEY."""
        try:
            require_secret_key()
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        Collector(wake=wake_up, clock=utc_now, stop=stop).run()


def wake_up(webhooks: Mapping[UUID, str]) -> None:
    """Has webhooks drained. What publishes is loaded with the first call."""
    from dispatcher import tasks

    tasks.wake_up(webhooks)
