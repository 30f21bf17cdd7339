"""What `cdrhook demo` does, in its order: stack, receivers, webhooks, calls."""

from __future__ import annotations

import datetime as dt
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cdrhook.demo.driver import POLL_SECONDS, Driver
from cdrhook.demo.memory import ADMIN, FILE_NAME, Memory
from cdrhook.demo.plays.base import TENANT
from cdrhook.demo.receivers import Receivers
from cdrhook.demo.recording import keep_recording
from cdrhook.demo.screen import RED, Screen
from cdrhook.demo.stack import (
    HOST,
    LOG_NAME,
    Stack,
    StackError,
    choose_port,
    use_environment,
)
from cdrhook.demo.webhooks import prepared
from cdrhook.supervisor.folder import make_private
from cdrhook.supervisor.signals import Signals, StopRequestedError

if TYPE_CHECKING:
    from cdrhook.demo.plays.base import Play

DEFAULT_FOLDER: Final = "var/demo"


class Demo:
    """One run of the demo. `exit_after` deliveries it ends by itself; 0: never."""

    def __init__(self, *, wanted_port: int, play: Play, exit_after: int) -> None:
        self._wanted_port, self._port = wanted_port, choose_port(wanted_port)
        self._the_play, self._exit_after = play, exit_after
        self._screen = Screen(sys.stdout)
        folder = os.environ.get("CDRHOOK_DATA_DIR") or DEFAULT_FOLDER
        self._folder = Path(folder).absolute()

    def run(self) -> bool:
        """Plays until it is told to stop; then nothing of it is left running.

        False where something went wrong, which it has said.
        """
        os.umask(0o077)
        make_private(self._folder)
        memory = Memory.load(self._folder)
        memory.save(self._folder)
        style = self._the_play.style
        self._screen.line(f"cdrhook demo, payload style {style}, in {self._folder}")
        for line in self._the_play.clocks:
            self._screen.line(f"  {line}")
        if self._port != self._wanted_port:
            self._screen.line(
                f"  port {self._wanted_port} is taken: using {self._port}"
            )
        use_environment(
            self._folder,
            self._port,
            memory.password,
            feed_seconds=self._the_play.feed_seconds,
        )
        stack = Stack(self._folder, self._port, self._screen)
        with Signals() as signals, Receivers(memory.ports) as receivers:
            if kept := memory.styles.get(style):
                receivers.trust(kept.secrets)
            return self._run(stack, signals, receivers, memory)

    def _run(
        self, stack: Stack, signals: Signals, receivers: Receivers, memory: Memory
    ) -> bool:
        went_well = True
        try:
            stack.start()
            with signals.interrupting():
                self._play(stack, signals, receivers, memory)
        except StopRequestedError:
            pass
        except StackError as error:
            self._explain(error, stack)
            went_well = False
        finally:
            self._screen.line("stopping: what is in flight finishes, in less than 20 s")
            stack.stop(signals)
        self._screen.line("stopped; nothing is left running")
        return went_well

    def _play(
        self, stack: Stack, signals: Signals, receivers: Receivers, memory: Memory
    ) -> None:
        stack.wait_until_ready(signals)
        play, since = self._the_play, dt.datetime.now(dt.UTC)
        if play.style not in memory.styles:
            self._screen.line(f"  making three webhooks of style {play.style}")
        if play.link is not None:
            keep_recording(self._folder, TENANT)
        api = prepared(play, receivers, memory, self._folder, port=self._port)
        self._screen.address(
            f"http://{HOST}:{self._port}",
            ADMIN,
            memory.password,
            str(self._folder / FILE_NAME),
        )
        self._screen.line("Calls go to three receivers; Ctrl-C ends everything.")
        self._screen.line()
        driver = Driver(play, api, receivers, self._screen, since)
        while not (self._screen.is_gone or self._has_shown_enough(driver)):
            stack.check()
            driver.step()
            signals.wait(POLL_SECONDS)

    def _has_shown_enough(self, driver: Driver) -> bool:
        return 0 < self._exit_after <= driver.delivered

    def _explain(self, error: StackError, stack: Stack) -> None:
        self._screen.line(f"The demo cannot go on: {error}.", RED)
        for line in stack.last_lines():
            self._screen.line(f"  {line}")
        self._screen.line(f"More stands in {self._folder / LOG_NAME}.")
