"""Sends the due deliveries of webhooks: one coordinator thread a process, many senders.

The constraints, and what follows from them:

1. A webhook that hangs must not delay another. Therefore nothing in here waits for a
   receiver: the coordinator claims, hands runs to threads, and goes on; what ended
   comes back to it as an event. A request older than 1 s stops counting against the
   fast lane, its webhook moves to the slow lane, and what was claimed behind it is
   handed back.
2. Results must survive a crash, and retries must start on time. Therefore outcomes are
   recorded together, at 50, at 200 ms after the first, and at once for a failure or
   when a run is over; each webhook has at most 50 deliveries claimed and unrecorded,
   which bounds what a crash can send twice.
3. A retry must come after n x 2 s. Therefore the coordinator keeps a timer a webhook;
   if its process dies, the sweep finds what is overdue.
4. No database connection is held while a request runs. Therefore only the coordinator
   touches the ORM, and it gives its connection back after every piece of work.
5. No request starts with less than 15 s of its lease left.

Decides nothing about retries or states: claim and record do.
"""

from __future__ import annotations

import datetime as dt
import queue
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog
from django.db import (
    InterfaceError,
    OperationalError,
    close_old_connections,
    connections,
)

from dispatcher.pipeline.claim import PROBES, Claim, Claimed, claim_together
from dispatcher.pipeline.record import (
    Ended,
    Recorded,
    hand_back,
    move_to_lane,
    record,
    record_one_by_one,
)
from dispatcher.pipeline.run import Run
from dispatcher.pipeline.timers import Timers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from uuid import UUID

    from dispatcher.values import Outcome, Outgoing

log = structlog.get_logger(__name__)

FLUSH_ROWS: Final = 50
FLUSH_SECONDS: Final = 0.2
MIN_LEASE_LEFT: Final = dt.timedelta(seconds=15)
# Between two looks at a webhook that had nothing to send.
SHORTEST_TIMER_SECONDS: Final = 0.01
AGAIN_AFTER_ERROR_SECONDS: Final = 0.5
# After so many claims, see what has ended before the next ones; of them so many are for
# webhooks that are not known to be fast.
CLAIMS_A_STEP: Final = 20
OTHERS_A_STEP: Final = 5
# A tick while requests run, so that one that hangs is seen soon after its second.
TICK_SECONDS: Final = 0.1
# Without a round for so long, the coordinator is stuck.
LONGEST_STEP_SECONDS: Final = 90.0


@dataclass(frozen=True, slots=True)
class _Over:
    """A run has come to its end; `unsent` is what its lease had no time for."""

    run: Run
    unsent: tuple[Claimed, ...] = ()


class _Stop:
    """Wakes the coordinator up so that it sees that it should stop."""


class Drainer:
    """The coordinator of one process.

    `send` makes one attempt and never raises; `clock` gives the time; `threads` says
    how many requests of each lane may run here; `pass_on(webhooks, lane, seconds)`
    asks a worker of another lane, or a later one, to look at webhooks.
    """

    def __init__(
        self,
        *,
        send: Callable[[Outgoing], Outcome],
        clock: Callable[[], dt.datetime],
        threads: Mapping[str, int],
        pass_on: Callable[[Sequence[UUID], str | None, float], None],
    ) -> None:
        self._send = send
        self._clock = clock
        self._threads = dict(threads)
        self._pass_on = pass_on
        self._events: queue.SimpleQueue[tuple[UUID, ...] | Ended | _Over | _Stop] = (
            queue.SimpleQueue()
        )
        # Requests that straggle keep their thread beyond their lane's share: of the
        # fast lane's, a second's worth for each of the 10 s that they may take.
        self._most_runs = 10 * self._threads.get("fast", 0) + sum(threads.values())
        # When very many webhooks begin to hang at once, those that are known to be
        # fast still have room.
        self._reserve = {lane: threads[lane] // 4 for lane in threads if lane == "fast"}
        self._reserve |= {lane: 0 for lane in threads if lane != "fast"}
        self._executor = ThreadPoolExecutor(
            max_workers=self._most_runs, thread_name_prefix="send"
        )
        self._runs: set[Run] = set()
        self._ended: list[Ended] = []
        self._ended_since = 0.0
        # What was claimed and is not to be sent here after all.
        self._unsent: list[Claimed] = []
        # Webhooks to look at, in the order in which they turned up (a set with order).
        self._dirty: dict[UUID, None] = {}
        # Those that answered quickly when they were last claimed here.
        self._known_fast: set[UUID] = set()
        # Those whose lane is served elsewhere, until they are passed on.
        self._elsewhere: dict[str, list[UUID]] = {}
        # Those for which their lane had no room, likewise.
        self._crowded: dict[str, dict[UUID, None]] = {lane: {} for lane in threads}
        self._timers = Timers()
        self._flush_now = False
        self._flush_not_before = 0.0
        self._stop_by: float | None = None
        self._stepped_at = time.monotonic()
        self._thread = threading.Thread(target=self._loop, name="drain", daemon=True)

    def start(self) -> None:
        """Starts the coordinator thread."""
        self._thread.start()

    def drain(self, *webhook_ids: UUID) -> None:
        """Has the due deliveries of webhooks sent; returns at once."""
        self._events.put(webhook_ids)

    def is_alive(self) -> bool:
        """True while the coordinator does its rounds."""
        fresh = time.monotonic() - self._stepped_at < LONGEST_STEP_SECONDS
        return self._thread.is_alive() and fresh

    def stop(self, seconds: float) -> None:
        """Ends: starts nothing more, waits for what is in flight, records it."""
        self._stop_by = time.monotonic() + seconds
        self._events.put(_Stop())
        self._thread.join(seconds + 2)
        self._executor.shutdown(wait=False, cancel_futures=True)

    # The coordinator thread ----------------------------------------------------------

    def _loop(self) -> None:
        while not self._finished():
            self._stepped_at = time.monotonic()
            try:
                self._step()
                close_old_connections()
            except Exception:
                log.exception("drain.error")
                time.sleep(AGAIN_AFTER_ERROR_SECONDS)
        self._hand_over()
        connections.close_all()

    def _finished(self) -> bool:
        if self._stop_by is None:
            return False
        if time.monotonic() > self._stop_by:
            return True
        busy = self._runs or self._ended or self._unsent
        return not busy and self._events.empty()

    def _hand_over(self) -> None:
        """Tells other workers what this one would have done next."""
        waiting = {webhook_id for lane in self._crowded.values() for webhook_id in lane}
        for webhook_id in waiting | self._dirty.keys():
            self._timers.arm(webhook_id, 0.0)
        for webhook_id, seconds in self._timers.armed().items():
            self._pass_on([webhook_id], None, max(0.0, seconds))

    def _step(self) -> None:
        self._gather(self._patience())
        if self._stop_by is not None:
            for run in self._runs:
                self._cut_short(run)
        else:
            self._slow_down([r for r in self._runs if not r.straggles and r.hangs()])
        if self._unsent:
            hand_back(self._unsent)
            self._unsent = []
        if self._flush_is_due():
            self._flush()
        self._dirty |= dict.fromkeys(self._timers.rung())
        self._let_in()
        if self._dirty and self._stop_by is None:
            self._claim(self._next_ones())
        for lane, webhook_ids in self._elsewhere.items():
            self._pass_on(webhook_ids, lane, 0.0)
        self._elsewhere = {}

    def _next_ones(self) -> list[UUID]:
        """Whom to claim now: those that are known to be fast need not queue for long.

        The others keep some places, however many the former are.
        """
        fast = [one for one in self._dirty if one in self._known_fast]
        fast = fast[: CLAIMS_A_STEP - OTHERS_A_STEP]
        chosen = dict.fromkeys(fast)
        for webhook_id in self._dirty:
            if len(chosen) == CLAIMS_A_STEP:
                break
            chosen[webhook_id] = None
        return list(chosen)

    def _let_in(self) -> None:
        """Those that wait for room come before those that had theirs."""
        capacity = self._capacity()
        first: dict[UUID, None] = {}
        for lane, waiting in self._crowded.items():
            room = capacity[lane] - self._reserve[lane]
            for webhook_id in list(waiting)[: max(0, room)]:
                del waiting[webhook_id]
                first[webhook_id] = None
        if first:
            self._dirty = first | self._dirty

    def _patience(self) -> float:
        """How long to wait for an event."""
        if self._dirty and self._stop_by is None:
            return 0.0
        waits = [self._timers.seconds_left()]
        if self._ended:
            flush_at = max(self._ended_since + FLUSH_SECONDS, self._flush_not_before)
            waits.append(flush_at - time.monotonic())
        if self._unsent or any(not run.straggles for run in self._runs):
            waits.append(TICK_SECONDS)
        if self._stop_by is not None:
            waits.append(TICK_SECONDS)
        return max(0.0, min(waits))

    def _gather(self, seconds: float) -> None:
        """Takes every event that is there, waiting for the first."""
        try:
            event = self._events.get(timeout=seconds) if seconds > 0 else None
            while True:
                if event is not None:
                    self._note(event)
                event = self._events.get_nowait()
        except queue.Empty:
            return

    def _note(self, event: tuple[UUID, ...] | Ended | _Over | _Stop) -> None:
        if isinstance(event, tuple):
            self._dirty |= dict.fromkeys(event)
        elif isinstance(event, Ended):
            if not self._ended:
                self._ended_since = time.monotonic()
            self._ended.append(event)
            if event.outcome.verdict != "delivered":
                self._flush_now = True
        elif isinstance(event, _Over):
            self._runs.discard(event.run)
            self._unsent += event.unsent
            self._flush_now = True
            self._dirty[event.run.webhook_id] = None

    def _flush_is_due(self) -> bool:
        if not self._ended or time.monotonic() < self._flush_not_before:
            return False
        if self._flush_now or len(self._ended) >= FLUSH_ROWS:
            return True
        return time.monotonic() - self._ended_since >= FLUSH_SECONDS

    def _flush(self) -> None:
        """Records what has ended; on a database error it is kept and tried again."""
        try:
            recorded = self._record()
        except (OperationalError, InterfaceError) as error:
            log.warning("drain.not_recorded", count=len(self._ended), error=str(error))
            self._flush_not_before = time.monotonic() + AGAIN_AFTER_ERROR_SECONDS
            return
        if self._flush_not_before:
            # Meanwhile these were looked at in vain: their leases were still held.
            self._dirty |= dict.fromkeys(one.claimed.webhook_id for one in self._ended)
            self._flush_not_before = 0.0
        self._ended = []
        self._flush_now = False
        for webhook_id, retry_at in recorded.retries.items():
            self._arm(webhook_id, retry_at)

    def _record(self) -> Recorded:
        try:
            return record(self._ended, now=self._clock())
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            log.exception("drain.not_recorded", count=len(self._ended))
            return record_one_by_one(self._ended, now=self._clock())

    def _arm(self, webhook_id: UUID, at: dt.datetime, least: float = 0.0) -> None:
        # A hair late rather than early: too early would mean to look twice.
        seconds = (at - self._clock()).total_seconds() + 0.002
        self._timers.arm(webhook_id, max(seconds, least))

    def _claim(self, webhook_ids: list[UUID]) -> None:
        """Claims and starts runs of some webhooks."""
        for webhook_id in webhook_ids:
            self._dirty.pop(webhook_id, None)
        try:
            together = claim_together(
                webhook_ids,
                now=self._clock(),
                capacity=self._capacity(),
                reserve=self._reserve,
            )
        except Exception as error:
            self._claim_failed(webhook_ids, error)
            return
        for claimed in together.claims:
            self._start(claimed)
        # They were first, and have waited for as long as those just claimed.
        self._dirty = dict.fromkeys(together.later) | self._dirty
        for webhook_id in together.alone:
            self._claim([webhook_id])

    def _claim_failed(self, webhook_ids: list[UUID], error: Exception) -> None:
        """Whatever it is, the other webhooks must not suffer from it."""
        is_away = isinstance(error, (OperationalError, InterfaceError))
        if len(webhook_ids) > 1 and not is_away:
            for webhook_id in webhook_ids:
                self._claim([webhook_id])
            return
        log.warning("drain.not_claimed", webhooks=len(webhook_ids), error=repr(error))
        for webhook_id in webhook_ids:
            self._timers.arm(webhook_id, AGAIN_AFTER_ERROR_SECONDS)

    def _start(self, claimed: Claim) -> None:
        if claimed.no_room:
            if claimed.lane in self._crowded:
                self._crowded[claimed.lane][claimed.webhook_id] = None
            else:
                self._elsewhere.setdefault(claimed.lane, []).append(claimed.webhook_id)
        if claimed.wait_until is not None:
            self._arm(claimed.webhook_id, claimed.wait_until, SHORTEST_TIMER_SECONDS)
        if claimed.is_fast:
            self._known_fast.add(claimed.webhook_id)
        elif claimed.runs:
            self._known_fast.discard(claimed.webhook_id)
        for items in claimed.runs:
            run = Run(items, claimed.lane)
            self._runs.add(run)
            self._executor.submit(self._send_run, run)

    def _capacity(self) -> dict[str, int]:
        """How many more runs each lane of this process can take."""
        taken = Counter("slow" if run.straggles else run.lane for run in self._runs)
        left = self._most_runs - len(self._runs)
        room = {
            lane: min(limit - taken[lane], left)
            for lane, limit in self._threads.items()
        }
        # Webhooks that are DOWN take no more than a quarter of the lane from live ones.
        probing = sum(run.probes for run in self._runs)
        return {**room, PROBES: self._threads.get("slow", 0) // 4 - probing}

    def _slow_down(self, hanging: Sequence[Run]) -> None:
        """Requests hang: their webhooks go to the slow lane, at once."""
        if not hanging:
            return
        slower = {run.webhook_id for run in hanging if run.lane != "slow"}
        if slower:
            move_to_lane(slower, "slow")
            log.info("webhook.slow", webhooks=[str(one) for one in sorted(slower)])
            self._known_fast -= slower
        for run in hanging:
            run.straggles = True
            self._cut_short(run)
            if "slow" in self._threads:
                self._dirty[run.webhook_id] = None
        if "slow" not in self._threads:
            self._elsewhere.setdefault("slow", []).extend(slower)

    def _cut_short(self, run: Run) -> None:
        rest = run.cut_short()
        if rest:
            self._unsent += rest
            self._dirty[run.webhook_id] = None

    # A sender's thread ----------------------------------------------------------------

    def _send_run(self, run: Run) -> None:
        unsent: tuple[Claimed, ...] = ()
        try:
            while (item := run.next()) is not None:
                if item.lease_until - self._clock() < MIN_LEASE_LEFT:
                    unsent = (item, *run.cut_short())
                    break
                self._events.put(Ended(item, self._send(item.outgoing)))
        except Exception:
            log.exception("drain.send_error", webhook=str(run.webhook_id))
        finally:
            self._events.put(_Over(run, unsent))
