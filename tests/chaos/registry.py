"""All faults, in the order of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.chaos.faults import (
    bad_pbx,
    bad_receivers,
    broker,
    clock,
    database,
    disk,
    killing,
    stopping,
    twice,
    upgrade,
)

if TYPE_CHECKING:
    from tests.chaos.values import Fault

FAULTS: Final[dict[str, Fault]] = {
    fault.name: fault
    for fault in (
        *killing.FAULTS,
        *broker.FAULTS,
        *database.FAULTS,
        *disk.FAULTS,
        *stopping.FAULTS,
        *clock.FAULTS,
        *twice.FAULTS,
        *upgrade.FAULTS,
        *bad_receivers.FAULTS,
        *bad_pbx.FAULTS,
    )
}

# What CI runs each time, shortened.
QUICK: Final = ("kill-worker-postgres", "kill-up", "flush-broker", "postgres-restart")
