"""One run: servers, cdrhook, receivers and a PBX; the fault; and what was seen of it."""

from __future__ import annotations

import contextlib
import math
import shutil
import time
from typing import TYPE_CHECKING, Any, Final

import psutil
import requests

from cdrhook.supervisor.ports import free_port
from tests.chaos import balance
from tests.chaos import template as templates
from tests.chaos.asked import Api
from tests.chaos.checker import taken_uids
from tests.chaos.evidence import Evidence, Hook
from tests.chaos.players import Pbx, Receivers
from tests.chaos.processes import ROOT, until
from tests.chaos.servers import Postgres, Valkey
from tests.chaos.stack import Parts, Up
from tests.chaos.timing import Strike

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.values import Fault

BEFORE_SECONDS: Final = 4.0
AFTER_SECONDS: Final = 4.0
BETWEEN_SECONDS: Final = 2.0
RATE: Final = 100.0
# A webhook besides those of every run, for faults that have a bad receiver.
BAD: Final = "/bad"


class Scene:
    """A context. `work` is the run's folder, `template` what it begins with."""

    def __init__(
        self,
        fault: Fault,
        work: Path,
        template: Path,
        *,
        quick: bool = False,
        rate: float = RATE,
        times: int = 1,
    ) -> None:
        self.fault, self.work, self.template = fault, work, template
        self.quick, self._rate, self._times = quick, rate, times
        self.data = work / "data"
        self.crashes = 0
        # Whether the balance has counted from the run's first call on.
        self.counts_all = True
        # The times that the fault was made so far.
        self.strikes: list[Strike] = []
        self.notes: list[str] = []
        self.problems: list[str] = []
        self.hooks: list[Hook] = []
        # Beside the settings that every run has; `arrange` may add to both.
        self.settings: dict[str, str] = dict(fault.settings)
        self.inside: list[str] = []
        self.certificate: Path | None = None
        self.token = templates.token(template)
        self._stack = contextlib.ExitStack()
        self._began = time.monotonic()
        self.phases: dict[str, float] = {}

    # Setting up -----------------------------------------------------------------------

    def __enter__(self) -> Scene:
        """Starts everything, and waits until it is ready."""
        try:
            self._enter()
        except BaseException:
            self._stack.close()
            raise
        return self

    def _enter(self) -> None:
        self.data.mkdir()
        self.postgres = (
            Postgres(self.work, self.template) if self._on_postgres else None
        )
        self.valkey = Valkey(self.work)
        self._copy_database()
        if self.fault.arrange is not None:
            self.fault.arrange(self)
        if self.postgres is not None:
            self._stack.callback(self.postgres.stop_immediately)
            self.postgres.start()
        if self.fault.broker == "apart" or self.fault.parts:
            self._stack.callback(self.valkey.stop)
            self.valkey.start()
            self.settings.setdefault("REDIS_URL", self.valkey.url)
        self.receivers = Receivers(self.work, self.certificate)
        self._stack.callback(self.receivers.close)
        self._start_cdrhook()
        self.api = Api(self.cdrhook.url, self.token)
        self._stack.callback(self.api.close)
        self._make_webhooks()
        self._phase("ready")

    @property
    def _on_postgres(self) -> bool:
        return self.fault.database == "postgres"

    def _copy_database(self) -> None:
        if not self._on_postgres:
            for part in self.template.glob(f"{templates.SQLITE_FILE}*"):
                shutil.copy(part, self.data)

    def env(self) -> dict[str, str]:
        """Of cdrhook's processes."""
        port = free_port()
        own = {"PORT": str(port), "PUBLIC_URL": f"http://127.0.0.1:{port}"}
        if self.postgres is not None:
            own["DATABASE_URL"] = self.postgres.url
        return templates.environment(self.data, **own, **self.settings)

    def _start_cdrhook(self) -> None:
        env = self.env()
        if self.fault.parts:
            self.cdrhook: Up | Parts = Parts(
                self.work, env, [int(env["PORT"]), free_port()]
            )
            self.cdrhook.start()
        else:
            self.cdrhook = Up(self.work, env)
            self.cdrhook.start(self.inside)
        self._stack.callback(self.cdrhook.close)
        self.cdrhook.wait_until_ready()

    def _make_webhooks(self) -> None:
        # As an operator sets it where a hundred a second go: while the machine is slow,
        # its answers are, and it is sent one delivery a run.
        self.hook("/fast", max_in_flight=16)
        self.hook("/filtered", only="in", filters=_direction("inbound"))
        self.hook("/batch", prompt=False, style="batch", batch_size=20, batch_seconds=2)
        self.hook("/flaky", prompt=False, only="out", filters=_direction("outbound"))
        self.receivers.switch("/flaky", "flaky")
        if self.fault.bad_receiver:
            self.hook(
                BAD,
                prompt=False,
                only="out",
                filters=_direction("outbound"),
                retries=1,
            )

    def hook(
        self, path: str, *, prompt: bool = True, only: str = "", **settings: Any
    ) -> Hook:
        """Makes a webhook by API; `only` and `prompt`: see evidence.Hook."""
        wanted = {"style": "envelope", "retries": 3, **settings}
        made = self.api.send(
            "POST", "/api/v1/webhooks", {"url": self.receivers.url(path), **wanted}
        )
        hook = Hook(made["id"], path, only=only, prompt=prompt)
        self.hooks.append(hook)
        return hook

    def named(self, path: str) -> Hook:
        """The webhook of a path."""
        return next(hook for hook in self.hooks if hook.path == path)

    def __exit__(self, *_: object) -> None:
        """Ends everything, in order."""
        self._stack.close()

    # What faults use ------------------------------------------------------------------

    @property
    def up(self) -> Up:
        """cdrhook, where `cdrhook up` runs it."""
        assert isinstance(self.cdrhook, Up)
        return self.cdrhook

    @property
    def parts(self) -> Parts:
        """cdrhook, where each process runs by itself."""
        assert isinstance(self.cdrhook, Parts)
        return self.cdrhook

    def crashed(self, times: int = 1) -> None:
        """Something was killed or cut off: what was under way may be repeated."""
        self.crashes += times

    def say(self, what: str) -> None:
        """Notes what a reader of the result should know."""
        self.notes.append(what)
        print(f"  {what}", flush=True)

    def expect(self, holds: object, what: str) -> None:
        """Notes a problem, unless it holds."""
        if not holds:
            self.problems.append(what)

    def wait(self, full: float, quick: float | None = None) -> None:
        """Lets the load go on for that many seconds."""
        time.sleep(quick if self.quick and quick is not None else full)

    # The run --------------------------------------------------------------------------

    def play(self) -> Evidence:
        """Load, fault, load, as often as is wanted, silence; what was seen."""
        self.pbx = Pbx(self.work, self.cdrhook.urls, self.token, self._rate)
        self._stack.callback(self.pbx.close)
        self.wait(BEFORE_SECONDS, 2.0)
        self._phase("struck")
        for number in range(self._times):
            if number:
                self._wait_until_recovered()
                self.wait(BETWEEN_SECONDS)
            self._strike()
            self.wait(AFTER_SECONDS, 3.0)
        self.pbx.stop()
        self.cdrhook.wait_until_ready()
        self._phase("handed over")
        self._wait_until_out()
        self._phase("out")
        evidence = self._evidence()
        self._phase("asked")
        return evidence

    def _strike(self) -> None:
        before, began = psutil.cpu_times(), time.time()
        self.fault.strike(self)
        idle = _idle(before, psutil.cpu_times())
        self.strikes.append(Strike(began, time.time(), idle))
        self._phase("over")

    def _phase(self, ended: str) -> None:
        """Notes what has come to its end, in seconds since the run began."""
        self.phases[ended] = round(time.monotonic() - self._began, 1)

    def _wait_until_recovered(self) -> None:
        """Under load: until what was accepted before the last fault's end is there."""
        self.cdrhook.wait_until_ready()
        over_at = self.strikes[-1].ended
        with contextlib.suppress(AssertionError):
            until(
                "what waited is out",
                lambda: self._all_arrived(over_at),
                self.fault.patience,
                every=0.5,
            )

    def _wait_until_out(self) -> None:
        """What is not out in time is for the checker to tell."""
        give_up_at = time.monotonic() + self.fault.patience
        for holds in (self._all_arrived, self._nothing_waits):
            left = max(0.0, give_up_at - time.monotonic())
            with contextlib.suppress(AssertionError):
                until("the end of the backlog", holds, left, every=0.25)

    def _all_arrived(self, until: float = math.inf) -> bool:
        accepted = taken_uids(one for one in self.pbx.read() if one.ended <= until)
        there = {
            (one.path, uid)
            for one in self.receivers.read()
            if one.was_taken
            for uid in one.uids
        }
        return all(
            (hook.path, uid) in there
            for hook in self.hooks
            if hook.good
            for uid in accepted
            if hook.wants(uid)
        )

    def _nothing_waits(self) -> bool:
        try:
            return not any(
                self.api.is_waiting(hook) for hook in self.hooks if hook.good
            )
        except requests.RequestException:
            return False

    def _evidence(self) -> Evidence:
        tries, arrivals = self.pbx.read(), self.receivers.read()
        told = [one for hook in self.hooks for one in self.api.told(hook)]
        accepted = taken_uids(tries)
        carried = {(one.webhook, uid) for one in told for uid in one.uids}
        missing = [
            (hook, uid)
            for hook in self.hooks
            for uid in sorted(accepted)
            if hook.wants(uid) and (hook.id, uid) not in carried
        ]
        never = {uid for one in tries for uid in one.uids} - accepted
        return Evidence(
            hooks=self.hooks,
            tries=tries,
            arrivals=arrivals,
            told=told,
            fates=self.api.fates(missing),
            stored=self.api.stored(sorted(never)),
            crashes=self.crashes,
        )

    def balance(self, evidence: Evidence) -> list[str]:
        """What is wrong with the balance."""
        inside = []
        if self.inside:
            # Where its database is in a namespace, so is the command.
            where = ["--target", str(self.up.pid), "--user", "--mount"]
            inside = ["nsenter", *where, "--preserve-credentials", f"--wd={ROOT}"]
        return balance.problems(
            evidence, self.cdrhook.env, inside, counts_all=self.counts_all
        )


def _idle(before: Any, after: Any) -> float:
    """Of two readings of the machine's CPU times, 0 to 1.

    What ran at a lower priority made way for what is judged.
    """
    took = [later - sooner for sooner, later in zip(before, after, strict=True)]
    # Guests' time is part of users'.
    guests = (before._fields.index(name) for name in ("guest", "guest_nice"))
    total = sum(took) - sum(took[index] for index in guests)
    spare = after.idle - before.idle + after.nice - before.nice
    return float(spare / total) if total > 0 else 1.0


def _direction(name: str) -> list[dict[str, str]]:
    return [{"field": "dir", "op": "eq", "value": name}]
