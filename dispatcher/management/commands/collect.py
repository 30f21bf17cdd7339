"""`cdrhook collect`: fetches calls from sources that have a folder or a connection."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Final

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from cdrhook.start import require_secret_key
from dispatcher.pipeline.collect import Collector
from dispatcher.pipeline.outbound import utc_now

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


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
        # Not by handlers: one that runs amid `Event.wait` could wait for itself.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        stop = threading.Event()
        collector = Collector(wake=wake_up, clock=utc_now, stop=stop)
        thread = threading.Thread(target=collector.run, daemon=True, name="collector")
        thread.start()
        while thread.is_alive():
            if signal.sigtimedwait(STOP_SIGNALS, 1.0) is not None:
                stop.set()
                thread.join()
                return
        raise CommandError("Fetching has ended by a fault; the log says which.")


def wake_up(webhooks: Mapping[UUID, str]) -> None:
    """Has webhooks drained. What publishes is loaded with the first call."""
    from dispatcher import tasks

    tasks.wake_up(webhooks)
