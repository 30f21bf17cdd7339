"""Takes in what PBXs hand over, in whichever form: decodes, keeps, owes, in one commit.

What cannot be decoded is kept in quarantine, byte for byte. Whatever comes from a PBX
comes through here: HTTP, files, live connections, Python.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from dispatcher.adapters.base import Read, Undecodable, safe_uid
from dispatcher.adapters.registry import adapter
from dispatcher.normalise import directions
from dispatcher.normalise.call import normalise
from dispatcher.pipeline import legs, quarantine
from dispatcher.pipeline.accept import committed, take_in
from dispatcher.pipeline.owe import Owing
from dispatcher.pipeline.tally import hour_at
from dispatcher.values import SourceRules

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence
    from uuid import UUID

    from dispatcher.models import Source, Tenant
    from dispatcher.values import Cdr


@dataclass(frozen=True, slots=True)
class Origin:
    """How records came in. `pbx` is an adapter's or format's word for what sent them.

    `sender` is an address; `source` is None where no Source was named.
    """

    pbx: str
    source: Source | None = None
    content_type: str = ""
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    sender: str | None = None


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of what a PBX handed over."""

    accepted: int
    duplicates: int
    quarantined: int
    wake: Mapping[UUID, str] = field(default_factory=dict)


def rules_of(source: Source | None, tenant: Tenant) -> SourceRules:
    """How a source's records are to be understood; without one, by the tenant's zone."""
    if source is None:
        return SourceRules(zone=tenant.time_zone)
    return SourceRules(
        zone=source.time_zone or tenant.time_zone,
        region=source.region,
        mapping=source.mapping,
        directions=directions.rules_of(source.directions),
        secret=source.secret,
        uid_prefix=source.uid_prefix,
    )


def ingest(
    tenant: Tenant, body: bytes, origin: Origin, *, now: dt.datetime
) -> Ingested:
    """Stores what a PBX sent: its CDRs, and in quarantine what cannot be decoded.

    Raises KeyError for an unknown PBX; StorageUnavailable when nothing was written,
    OutcomeUnknown when nobody knows.
    """
    reader = adapter(origin.pbx)
    if reader is None:
        raise KeyError(origin.pbx)
    items = reader.decode(
        body,
        content_type=origin.content_type,
        query=origin.query,
        headers=origin.headers,
        rules=rules_of(origin.source, tenant),
    )
    return store(tenant, items, origin, now=now)


def store(
    tenant: Tenant,
    items: Sequence[Read | Undecodable],
    origin: Origin,
    *,
    now: dt.datetime,
    beside: Callable[[Ingested], object] | None = None,
) -> Ingested:
    """Makes sense of what an adapter or a format made of bytes, and stores it.

    Raises as `ingest` does. `beside` is given what became of them, and writes in the
    same transaction how far a source has been read; what it raises undoes everything.
    """
    rules = rules_of(origin.source, tenant)
    reads = [_understood(item, rules) for item in items if isinstance(item, Read)]
    parts, calls = legs.apart(origin.source, reads)
    bad = [item for item in items if isinstance(item, Undecodable)]
    owing = Owing(tenant.pk, now)
    # What a PBX repeats is quarantined again: it is answered so, and counted so.
    owing.tallies.receive(hour_at(now), quarantined=len(bad))
    source_id = origin.source.pk if origin.source is not None else None

    def write() -> Ingested:
        kept, wake = _keep(origin.source, parts, now)
        taken = take_in(tenant, [*calls, *kept.alone], origin.pbx, owing, source_id)
        quarantine.keep(
            bad,
            tenant,
            now,
            source=origin.pbx,
            from_source_id=source_id,
            content_type=origin.content_type[:200],
            query=origin.query[:2000],
            sender=origin.sender,
        )
        stored = Ingested(
            taken.accepted + kept.accepted,
            taken.duplicates + kept.duplicates,
            len(bad),
            {**taken.wake, **wake},
        )
        if beside is not None:
            beside(stored)
        return stored

    return committed(write)


def _understood(read: Read, rules: SourceRules) -> Read:
    cdr = normalise(_prefixed(read.cdr, rules.uid_prefix), rules)
    return read if cdr is read.cdr else read._replace(cdr=cdr)


def _prefixed(cdr: Cdr, prefix: str) -> Cdr:
    """With ids that those of another PBX of the tenant cannot be."""
    if not prefix:
        return cdr
    call_id = cdr.call_id and safe_uid(prefix + cdr.call_id)
    return replace(cdr, uid=safe_uid(prefix + cdr.uid), call_id=call_id)


def _keep(
    source: Source | None, parts: Sequence[Read], now: dt.datetime
) -> tuple[legs.Kept, Mapping[UUID, str]]:
    """Keeps legs, and joins the calls that they complete. First: it locks them."""
    if source is None or not parts:
        return legs.Kept(), {}
    kept = legs.keep(source, parts, now)
    return kept, legs.join_at_once(source, kept.ready, now)
