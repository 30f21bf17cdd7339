"""Purging a million old deliveries, and what sending loses by it."""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from typing import TYPE_CHECKING, Final

from benchmarks import fill, many
from benchmarks.new import drain_new
from benchmarks.values import Goal, Measured, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.stage import Stage

OLD: Final = 1_000_000
QUICK_OLD: Final = 3_000
WEBHOOKS: Final = 20
DELIVERIES: Final = 30_000
QUICK_DELIVERIES: Final = 500
ROUNDS: Final = 3
# What PostgreSQL writes when somebody has waited for a lock for deadlock_timeout.
LOCK_WAIT: Final = "still waiting for"


def run(stage: Stage, quick: bool) -> Measured:
    """Each round: a drain without a purge and one with it, in turns; then the rest."""
    measured = Measured()
    old = QUICK_OLD if quick else OLD
    deliveries = QUICK_DELIVERIES if quick else DELIVERIES
    with stage.nginx() as nginx:
        before = _prepare(stage, nginx.url(), old)
        for number in range(1 if quick else ROUNDS):
            figures: dict[str, float] = {}
            # In turns, so that what the machine does meanwhile favours neither.
            for purging in (number % 2 == 1, number % 2 == 0):
                name = f"{'purging' if purging else 'alone'}-{number}"
                with _purge(stage, before) if purging else contextlib.nullcontext():
                    left, began = _left(stage, before), time.monotonic()
                    drained = drain_new(stage, nginx, measured, deliveries, name=name)
                if purging:
                    gone = left - _left(stage, before)
                    figures["purged_rate"] = gone / (time.monotonic() - began)
                kind = "_purging" if purging else "_alone"
                figures |= {f"{key}{kind}": told for key, told in drained.items()}
            ratio = figures["rate_purging"] / figures["rate_alone"]
            measured.add(**figures, rate_ratio=ratio)
    for name in ("rate_ratio", "rate_alone", "rate_purging", "purged_rate"):
        measured.figures[name] = measured.median_of(name)
    _purge_the_rest(stage, measured, before)
    _verify(stage, measured, before, old)
    log = (stage.work / "postgres.log").read_text(errors="replace")
    measured.figures["lock_waits"] = log.count(LOCK_WAIT)
    return measured


def _prepare(stage: Stage, url: str, old: int) -> dt.datetime:
    """Old calls of the webhooks that new ones go to; before when to purge."""
    acme = fill.tenant("acme")
    webhooks = [
        fill.webhook(
            acme,
            f"{url}w/{index}",
            only=fill.number(index),
            lane="fast",
            quick_answers=1000,
            answer_ms=1,
        )
        for index in range(WEBHOOKS)
    ]
    many.fill(stage, many.Many(old, webhooks))
    return dt.datetime.now(dt.UTC)


@contextlib.contextmanager
def _purge(stage: Stage, before: dt.datetime) -> Iterator[None]:
    """The command, as an operator runs it, ended when this is over."""
    left = _left(stage, before)
    with stage.module("cdrhook", "purge", f"--before={before.isoformat()}"):
        while _left(stage, before) == left:
            time.sleep(0.05)
        yield


def _left(stage: Stage, before: dt.datetime) -> int:
    """How many old deliveries there still are, as good as free of cost."""
    rows = stage.sql(
        "SELECT count(*) FROM dispatcher_delivery WHERE created_at < %s", before
    )
    return int(rows[0][0])


def _purge_the_rest(stage: Stage, measured: Measured, before: dt.datetime) -> None:
    """Nobody sends any more: it need not rest."""
    from dispatcher.pipeline.purge import purge_deliveries

    left, began = _left(stage, before), time.monotonic()
    for _ in purge_deliveries(before, rest=0):
        pass
    rate = left / (time.monotonic() - began)
    measured.figures["purged_rate_without_rest"] = rate
    measured.notes.append(f"{left:,} of the old ones were left after the rounds")


def _verify(stage: Stage, measured: Measured, before: dt.datetime, old: int) -> None:
    measured.check(_left(stage, before) == 0, "every old delivery is gone")
    attempts, deliveries, marked = stage.sql(
        "SELECT (SELECT count(*) FROM dispatcher_attempt),"
        " (SELECT count(*) FROM dispatcher_delivery WHERE state = 'delivered'),"
        " (SELECT count(*) FROM dispatcher_owedcdr"
        "  WHERE delivery_id IS NULL AND left_out LIKE 'was_%%')"
    )[0]
    measured.check(attempts == deliveries, "their attempts are gone, and no others")
    measured.check(marked == old, "what was owed says what became of it")


ROW: Final = Row(
    name="purge",
    title="Purging 1,000,000 old deliveries and attempts while sending",
    goals=(
        Goal("rate_ratio", "of the same drain without a purge", 0.9),
        Goal("lock_waits", "waits for a lock of over 100 ms", 0, at_most=True),
        Goal("rate_alone", "deliveries/s"),
        Goal("rate_purging", "deliveries/s"),
        Goal("purged_rate", "purged/s while sending"),
        Goal("purged_rate_without_rest", "purged/s without rest"),
    ),
    run=run,
    seconds=240,
    postgres=many.POSTGRES_OPTIONS,
)
