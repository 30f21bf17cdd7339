"""Makes one call of the legs that a PBX told one by one.

docs/sense.md says which leg gives which field. The order in which legs came makes no
difference. Knows no database and no waiting: it says whether anything is missing.
"""

from __future__ import annotations

import re
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from dispatcher.adapters.base import safe_uid
from dispatcher.adapters.cdr_schema import DURATION_LIMIT_S
from dispatcher.values import Leg, Legs, Line

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping, Sequence

    from dispatcher.values import Cdr, Recording

LEGS, MISSING = "legs", "legs_missing"
CALL_ID_MAX_CHARS: Final = 200
MOST_NAMED: Final = 100
A_LEG: Final = 1
_FREESWITCH: Final = "freeswitch"
# The numbers in a uid, each with what follows it.
_COUNTED: Final = re.compile(r"([0-9]+)([^0-9]*)", re.ASCII)
_NO_LEG, _NO_LEGS = Leg(), Legs()
# What of these PBXs' own names other legs, in `extra` under the PBX's name.
_REFERENCES: Final = MappingProxyType(
    {
        _FREESWITCH: ("bridge_uuid", "originating_leg_uuid"),
        "kazoo": ("other_leg_call_id",),
    }
)
# What these PBXs tell of one leg may be a whole call.
_WHOLE_ALONE: Final = frozenset({"asterisk", *_REFERENCES})


def call_of(cdr: Cdr) -> str | None:
    """What the legs of a call have in common; None: this one has nothing.

    The PBX's id of the call. A leg of FreeSWITCH's that names only itself belongs to
    the leg that originated it.
    """
    own = cdr.call_id or None
    if own is None or safe_uid(own) == cdr.uid:
        own = _freeswitch(cdr).get("originating_leg_uuid") or own
    return own[:CALL_ID_MAX_CHARS] if own else None


def uid_of(call_id: str) -> str:
    """The uid of the joined call: the PBX's id of it, made safe."""
    return safe_uid(call_id)


def in_order(legs: Iterable[Cdr]) -> list[Cdr]:
    """The A leg first, the others by when they began."""
    return sorted(legs, key=_rank)


def is_complete(legs: Sequence[Cdr]) -> bool:
    """Whether the PBX tells that no leg is missing.

    FreeSWITCH does: by the legs that a leg was bridged to and originated by. One that
    originated others and was bridged to none does not say how many these are. Kazoo
    does where it names another leg.
    """
    if _missing(legs) or any(map(_rang_in_vain, legs)):
        return False
    return all(_FREESWITCH in (leg.extra or {}) or _referred(leg) for leg in legs)


def joined(call_id: str, legs: Sequence[Cdr]) -> Cdr:
    """One call of its legs, which are one at least."""
    first, *others = in_order(legs)
    answered = _answered(first, others)
    started_at, ended_at = first.started_at, _latest(leg.ended_at for leg in legs)
    return replace(
        first,
        uid=uid_of(call_id),
        call_id=call_id,
        ended_at=ended_at,
        duration=_seconds(started_at, ended_at, first.duration),
        disposition="answered" if answered else _unanswered(legs),
        abandoned=False if answered else first.abandoned,
        **(_talk(started_at, answered) if answered else {}),
        legs=_lines(first, others),
        recordings=_recordings([first, *others]),
        extra=_extra(first, others),
    )


def _rank(leg: Cdr) -> tuple[bool, dt.datetime, list[tuple[int, str]], str]:
    # Rows of one second: Asterisk's `..-9` is before its `..-10`.
    counted = [(int(digits or 0), rest) for digits, rest in _COUNTED.findall(leg.uid)]
    return leg.dialer.leg_type != A_LEG, leg.started_at, counted, leg.uid


def _freeswitch(leg: Cdr) -> Mapping[str, Any]:
    told = (leg.extra or {}).get(_FREESWITCH)
    return told if isinstance(told, dict) else {}


def _referred(leg: Cdr) -> set[str]:
    """The uids of other legs that a leg names."""
    extra = leg.extra or {}
    told = [(extra.get(pbx), names) for pbx, names in _REFERENCES.items()]
    return {
        safe_uid(str(other))
        for of_pbx, names in told
        if isinstance(of_pbx, dict)
        for name in names
        if (other := of_pbx.get(name))
    }


def _missing(legs: Sequence[Cdr]) -> set[str]:
    """The uids that legs refer to, and that did not come."""
    referred = {uid for leg in legs for uid in _referred(leg)}
    return referred - {leg.uid for leg in legs}


def _rang_in_vain(leg: Cdr) -> bool:
    told = _freeswitch(leg)
    originated = told.get("originate_disposition") or told.get("last_app") == "bridge"
    is_b_leg = bool(told.get("originating_leg_uuid"))
    return bool(originated) and not is_b_leg and not told.get("bridge_uuid")


def _answered(first: Cdr, others: Sequence[Cdr]) -> list[Cdr]:
    """The legs that were answered, by when: of A and B legs, the B legs.

    An A leg is answered by a menu or a voicemail as well.
    """
    candidates = [leg for leg in others if _is_answered(leg)]
    is_a_leg = first.dialer.leg_type == A_LEG
    if _is_answered(first) and not (is_a_leg and candidates):
        candidates.append(first)
    return sorted(
        candidates, key=lambda leg: (leg.answered_at or leg.started_at, _rank(leg))
    )


def _is_answered(leg: Cdr) -> bool:
    return leg.disposition == "answered" or (
        leg.disposition is None and leg.answered_at is not None
    )


def _unanswered(legs: Sequence[Cdr]) -> Any:
    return next((leg.disposition for leg in in_order(legs) if leg.disposition), None)


def _talk(started_at: dt.datetime, answered: Sequence[Cdr]) -> dict[str, Any]:
    talks = [leg.talk_duration for leg in answered if leg.talk_duration is not None]
    at = answered[0].answered_at
    ring = _seconds(started_at, at, answered[0].ring_duration)
    return {
        "answered_at": at,
        "talk_duration": min(sum(talks), DURATION_LIMIT_S - 1) if talks else None,
        "ring_duration": ring,
    }


def _lines(first: Cdr, others: Sequence[Cdr]) -> Legs:
    """Who rang and answered: the B legs, and whom rows of a PBX name themselves."""
    own = [first] if first.legs != _NO_LEGS else []
    rang = [_line(leg) for leg in [*own, *others]]
    took = [
        _line(leg)
        for leg in _answered(first, others)
        if leg is not first or first.legs.answered != _NO_LEG
    ]
    return Legs(
        first_rang=_end(rang[:1]),
        last_rang=_end(rang[-1:]),
        answered=_end(took[:1]),
        last_answered=_end(took[-1:]),
    )


def _line(leg: Cdr) -> Leg:
    for told in (leg.legs.answered, leg.legs.last_rang, leg.legs.first_rang):
        if told != _NO_LEG:
            return told
    return Leg(device=Line(number=leg.dialed.number, name=leg.dialed.name))


def _end(one: Sequence[Leg]) -> Leg:
    return one[0] if one else _NO_LEG


def _recordings(legs: Sequence[Cdr]) -> tuple[Recording, ...] | None:
    known = [leg.recordings for leg in legs if leg.recordings is not None]
    by_id = {one.id: one for of_leg in reversed(known) for one in reversed(of_leg)}
    if not known:
        return None
    return tuple(reversed(by_id.values()))[:MOST_NAMED]


def _extra(first: Cdr, others: Sequence[Cdr]) -> dict[str, Any]:
    legs = [first, *others]
    extra = {**(first.extra or {}), LEGS: [leg.uid for leg in legs][:MOST_NAMED]}
    if _is_one_missing(legs):
        extra[MISSING] = True
    return extra


def _is_one_missing(legs: Sequence[Cdr]) -> bool:
    if _missing(legs):
        return True
    is_whole = _WHOLE_ALONE & (legs[0].extra or {}).keys()
    return len(legs) == 1 and (_rang_in_vain(legs[0]) or not is_whole)


def _latest(moments: Iterable[dt.datetime | None]) -> dt.datetime | None:
    return max(filter(None, moments), default=None)


def _seconds(
    start: dt.datetime, end: dt.datetime | None, otherwise: int | None
) -> int | None:
    """Whole seconds between two; where a clock was wrong, what the PBX told."""
    if end is None or end < start:
        return otherwise
    seconds = int((end - start).total_seconds())
    return seconds if seconds < DURATION_LIMIT_S else otherwise
