"""Takes calls over from programs: from Python, and from messages of the broker.

In bounded transactions, each committed before the next one is begun. Wakes nobody up.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from dispatcher.adapters import cdr_json
from dispatcher.adapters.base import BadCdr, Read, Undecodable
from dispatcher.adapters.registry import adapter
from dispatcher.pipeline.accept import accept
from dispatcher.pipeline.ingest import Ingested, Origin, ingest, store
from dispatcher.values import Cdr, FieldError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from dispatcher.models import Tenant

# What calls are said to come from.
SOURCE: Final = "python"
# Calls of one transaction: as many as a request brings.
STEP: Final = 1000


# A call that was refused: its index, counted from 0, and why.
Rejected = tuple[int, tuple[FieldError, ...]]


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of the calls of one transaction."""

    accepted: int
    duplicates: int
    rejected: tuple[Rejected, ...] = ()
    wake: Mapping[UUID, str] = field(default_factory=dict)


def in_steps(
    tenant: Tenant,
    cdrs: Cdr | Mapping[str, Any] | Iterable[Cdr | Mapping[str, Any]],
    *,
    clock: Callable[[], dt.datetime],
) -> Iterator[Taken]:
    """Stores calls, 1,000 a transaction; what it has given is committed.

    Raises StorageUnavailable, with a note on how many went before; TypeError for what
    is neither a call nor a collection.
    """
    index = 0
    for step in _steps(cdrs):
        checked = [checked_call(raw) for raw in step]
        rejected = tuple(
            (number, call.errors)
            for number, call in enumerate(checked, index)
            if isinstance(call, BadCdr)
        )
        good = [call for call in checked if isinstance(call, Cdr)]
        try:
            taken = accept(
                tenant, good, source=SOURCE, now=clock(), rejected=len(rejected)
            )
        except Exception as error:
            error.add_note(f"{index} calls before these were seen to")
            raise
        index += len(step)
        yield Taken(taken.accepted, taken.duplicates, rejected, taken.wake)


def checked_call(raw: object) -> Cdr | BadCdr:
    """A call as the API takes it, or what is wrong with it.

    Beside JSON's own types there may be what a Cdr is made of: aware datetimes,
    Decimals, tuples.
    """
    try:
        return cdr_json.parse(_as_json(raw))
    except BadCdr as bad:
        return bad
    except RecursionError:
        return BadCdr(FieldError("cdr", "must not be nested so deep"))


def _as_json(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {
            one.name: getattr(value, one.name) for one in dataclasses.fields(value)
        }
        return {
            name: _as_json(part) for name, part in value.items() if part is not None
        }
    if isinstance(value, Mapping):
        return {name: _as_json(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(part) for part in value]
    if isinstance(value, dt.datetime):
        return value.isoformat()
    return f"{value:f}" if isinstance(value, Decimal) else value


def _steps(cdrs: object) -> Iterator[list[object]]:
    if isinstance(cdrs, Cdr | Mapping):
        cdrs = (cdrs,)
    if isinstance(cdrs, str | bytes) or not isinstance(cdrs, Iterable):
        raise TypeError(f"calls are Cdr or dict, not {type(cdrs).__name__}")
    rest = iter(cdrs)
    while step := list(islice(rest, STEP)):
        yield step


# Messages ----------------------------------------------------------------------------


def from_message(
    tenant: Tenant, content: Mapping[str, Any], *, clock: Callable[[], dt.datetime]
) -> Iterator[Ingested]:
    """Stores what a message brings: {"cdrs": [..]}, or {"pbx", "body"} with base64.

    What cannot be read is kept in quarantine, for nobody is there to be told. Raises
    StorageUnavailable.
    """
    is_raw = "pbx" in content or "body" in content
    if is_raw:
        yield _from_pbx(tenant, content, clock())
    if "cdrs" in content or not is_raw:
        yield from _from_list(tenant, content.get("cdrs"), clock)


def keep_whole(
    tenant: Tenant, content: Mapping[str, Any], reason: str, *, now: dt.datetime
) -> Ingested:
    """Keeps a message in quarantine as it is."""
    return store(tenant, [_unread(content, reason)], Origin(SOURCE), now=now)


def _from_list(
    tenant: Tenant, cdrs: object, clock: Callable[[], dt.datetime]
) -> Iterator[Ingested]:
    if not isinstance(cdrs, list) or not cdrs:
        yield keep_whole(
            tenant, {"cdrs": cdrs}, "cdrs must be a list of calls", now=clock()
        )
        return
    for step in _steps(cdrs):
        yield store(tenant, [_read(raw) for raw in step], Origin(SOURCE), now=clock())


def _read(raw: object) -> Read | Undecodable:
    call = checked_call(raw)
    if isinstance(call, Cdr):
        return Read(call)
    return _unread(raw, f"The call is not as it should be: {call}", call.errors)


def _unread(
    raw: object, reason: str, errors: tuple[FieldError, ...] = ()
) -> Undecodable:
    return Undecodable(reason, json.dumps(raw).encode(), errors)


def _from_pbx(tenant: Tenant, content: Mapping[str, Any], now: dt.datetime) -> Ingested:
    pbx, text = content.get("pbx"), content.get("body")
    if not isinstance(pbx, str) or adapter(pbx) is None:
        return _kept(tenant, content, "pbx names no adapter", now)
    try:
        body = base64.b64decode(text or b"?", validate=True)
    except (binascii.Error, TypeError, ValueError):
        return _kept(tenant, content, "body is not base64", now)
    return ingest(tenant, body, Origin(pbx), now=now)


def _kept(
    tenant: Tenant, content: Mapping[str, Any], reason: str, now: dt.datetime
) -> Ingested:
    message = {name: content.get(name) for name in ("pbx", "body")}
    return keep_whole(tenant, message, reason, now=now)
