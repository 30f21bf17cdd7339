"""Counts records and what became of them, in the transaction that they are about.

One side of the balance. Each request or batch adds rows of its own, so that none waits
for another; `sum_up` makes one an hour of them. The hour of a call is the one in which
its id was made, which is when it was accepted: an index knows which calls those are.

`Tally.counts`, of one tenant and hour; what is 0 is left out:

    received, accepted, revised, duplicates, joined, rejected, quarantined
        records, by the hour in which they came; legs, in which they were joined
    calls, revisions
        what webhooks were asked about: the calls of the hour, and other content of
        them, whenever that came
    gone: {calls, revisions}
        of these, what has been deleted since
    webhooks: {id: {calls, matched, dropped, not_billed, not_updated,
                    filtered: {"field:op:value": n}, gone: {state: n}}}
        calls: with revisions; how many the webhook was asked about
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from dispatcher.models import Tally
from dispatcher.models.insert import insert

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

HOUR: Final = dt.timedelta(hours=1)
_MILLISECONDS_BIT: Final = 80
_MILLISECONDS_AN_HOUR: Final = 3_600_000
_START: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

Counts = dict[str, Any]


def hour_of(cdr_id: UUID) -> int:
    """The hour in which a call was accepted, counted from 1970."""
    return (cdr_id.int >> _MILLISECONDS_BIT) // _MILLISECONDS_AN_HOUR


def hour_at(moment: dt.datetime) -> int:
    """The hour that a moment is in, counted from 1970."""
    return (moment - _START) // HOUR


def moment_of(hour: int) -> dt.datetime:
    """When an hour began, in UTC."""
    return _START + hour * HOUR


@dataclass(slots=True)
class Tallies:
    """What one transaction adds to the counts of a tenant, hour by hour."""

    tenant_id: UUID
    hours: dict[int, Counts] = field(default_factory=lambda: defaultdict(dict))

    def receive(self, hour: int, **counts: int) -> None:
        """Counts records that came in an hour: accepted, duplicates, and so on."""
        self.add(hour, {**counts, "received": sum(counts.values())})

    def accept(self, cdr_ids: Iterable[UUID]) -> None:
        """Counts calls that are new."""
        for hour, count in Counter(map(hour_of, cdr_ids)).items():
            self.receive(hour, accepted=count)
            self.add(hour, {"calls": count})

    def add(
        self, hour: int, counts: Mapping[str, Any], *, webhook: UUID | None = None
    ) -> None:
        """Counts calls of an hour, or what became of them at a webhook."""
        of = self.hours[hour]
        if webhook is not None:
            of = of.setdefault("webhooks", {}).setdefault(str(webhook), {})
        more(of, counts)

    def write(self) -> None:
        """Adds the rows; joins the transaction of the caller."""
        rows = [
            (moment_of(hour), counts) for hour, counts in self.hours.items() if counts
        ]
        insert(Tally, ("hour", "counts"), rows, tenant_id=self.tenant_id)


def more(counts: Counts, others: Mapping[str, Any]) -> None:
    """Adds `others` to `counts`, number by number, however deep they stand."""
    for name, value in others.items():
        if isinstance(value, int):
            if value:
                counts[name] = counts.get(name, 0) + value
        else:
            more(counts.setdefault(name, {}), value)
