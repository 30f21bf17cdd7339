"""What `cdrhook up` does, in its order.

Data folder, secret key, Valkey, database, then web, workers and beat until told to
stop. Refuses to share a data folder or a port with another.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from typing import TYPE_CHECKING

from django.conf import settings

from cdrhook.supervisor import folder, valkey
from cdrhook.supervisor.output import Output
from cdrhook.supervisor.programs import programs
from cdrhook.supervisor.ready import Readiness
from cdrhook.supervisor.signals import Signals, StopRequestedError
from cdrhook.supervisor.supervisor import Supervisor
from dispatcher import summaries

if TYPE_CHECKING:
    from collections.abc import Iterator


class CannotStartError(Exception):
    """Why the stack cannot be started, for an administrator."""


def up() -> None:
    """Runs the stack until a signal ends it; returns when no process is left.

    Raises CannotStartError, FolderInUseError or NoServerError.
    """
    started_at = time.monotonic()
    # The database, its log and the socket are nobody else's business.
    os.umask(0o077)
    folder.make_private(settings.DATA_DIR)
    output = Output(sys.stdout.buffer, sys.stderr.buffer)
    with folder.locked(settings.DATA_DIR) as lock, Signals() as signals:
        _refuse_a_taken_port()
        supervisor = Supervisor(output, signals, inherited=[lock])
        try:
            _run(supervisor, signals, output, started_at)
        except StopRequestedError:
            pass
        finally:
            output.say("stopping; what is in flight finishes")
            supervisor.stop()
            settings.RUNTIME_FILE.unlink(missing_ok=True)
            output.say("stopped")
            output.flush()


def _run(
    supervisor: Supervisor, signals: Signals, output: Output, started_at: float
) -> None:
    if not settings.IS_SECRET_KEY_GIVEN:
        settings.SECRET_KEY = folder.secret_key(settings.SECRET_KEY_FILE)
    if not settings.IS_BROKER_GIVEN:
        _start_valkey(supervisor, signals, output)
    with signals.interrupting():
        # Here, because Django's models cost a second that a refusal need not take.
        from cdrhook.supervisor import database

        database.prepare(output.say)
    wanted = programs(
        has_one_writer=settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"),
        cores=_cores(),
        has_summaries=summaries.installed(),
        has_shared_broker=settings.IS_BROKER_GIVEN,
    )
    output.say(f"starting {', '.join(one.name for one in wanted)}")
    supervisor.start(*wanted)
    with _told_when_ready(output, started_at):
        supervisor.watch()


def _cores() -> int:
    """How many this process may use; macOS tells only how many there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _start_valkey(supervisor: Supervisor, signals: Signals, output: Output) -> None:
    address = valkey.choose_address(settings.DATA_DIR)
    supervisor.start(valkey.program(settings.DATA_DIR, address))
    with signals.interrupting():
        if not valkey.wait_until_it_answers(address):
            raise CannotStartError(
                "Valkey does not answer; why stands in"
                f" {settings.DATA_DIR / valkey.LOG_NAME}. If its append-only file is"
                " damaged, remove the folder appendonlydir beside it: nothing is lost,"
                " the database holds all deliveries."
            )
    folder.write_runtime(settings.RUNTIME_FILE, address.url)


def _refuse_a_taken_port() -> None:
    family = socket.AF_INET6 if ":" in settings.HOST else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.HOST, settings.PORT))
        except OSError as error:
            raise CannotStartError(
                f"Cannot listen on {settings.HOST} port {settings.PORT}:"
                f" {error.strerror}. Set PORT (or HOST) to something else."
            ) from error


@contextlib.contextmanager
def _told_when_ready(output: Output, started_at: float) -> Iterator[None]:
    def tell(_waited: float) -> None:
        took = time.monotonic() - started_at
        output.say(f"ready after {took:.1f} s: {settings.PUBLIC_URL}/admin/")

    host_header = next((name for name in settings.ALLOWED_HOSTS if name != "*"), "")
    readiness = Readiness(
        settings.HOST, settings.PORT, host_header.lstrip(".") or settings.HOST, tell
    )
    try:
        yield
    finally:
        readiness.give_up()
