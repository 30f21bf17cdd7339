"""Makes sense of one call as a PBX told it: numbers, cause, disposition, direction.

docs/sense.md says what is done to which field. What was replaced stays to be seen under
`extra.as_sent`, by the field's path. What has been normalised once is changed no more.
Refuses nothing, drops no call, reads no clock. The project's own form (POST
/api/v1/cdrs) is strict and is not normalised.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from dispatcher.normalise.causes import cause
from dispatcher.normalise.directions import DIRECTIONS, by_rule, by_shape
from dispatcher.normalise.dispositions import disposition
from dispatcher.normalise.numbers import e164
from dispatcher.values import Caller, Cdr, Direction, Leg, Legs, Line, SourceRules

if TYPE_CHECKING:
    from collections.abc import Mapping

AS_SENT: Final = "as_sent"
_CALLER: Final = "caller.number"
_NO_LEG: Final = Leg()
_NO_LEGS: Final = Cdr.legs
_LEGS: Final = ("first_rang", "last_rang", "answered", "last_answered")
_PARTIES: Final = ("device", "user", "agent")
_UNTOLD: Final = (None, "unknown")

Party = TypeVar("Party", Caller, Line)
# Path of a field -> what the PBX had sent in it; None where that was nothing.
Sent = dict[str, Any]


def normalise(cdr: Cdr, rules: SourceRules) -> Cdr:
    """The call with its numbers in E.164, and what could be told from the rest of it.

    The same object where there was nothing to do.
    """
    sent: Sent = {}
    changes = _parties(cdr, rules.region, sent)
    if cdr.disposition is None or cdr.hangup_cause or cdr.hangup_cause_code is not None:
        changes |= _outcome(cdr, sent)
    direction = _direction(cdr, changes, rules, sent)
    if direction != cdr.direction:
        sent["direction"] = cdr.direction
        changes["direction"] = direction
    if sent:
        changes["extra"] = _beside(cdr.extra, sent)
    # What dataclasses.replace does, which asks for each of the many fields.
    return Cdr(**{**vars(cdr), **changes}) if changes else cdr


def _parties(cdr: Cdr, region: str, sent: Sent) -> dict[str, Any]:
    new: dict[str, Any] = {}
    caller = _party(cdr.caller, "caller", region, sent)
    if caller is not cdr.caller:
        new["caller"] = caller
    dialed = _party(cdr.dialed, "dialed", region, sent)
    if dialed is not cdr.dialed:
        new["dialed"] = dialed
    if cdr.legs is not _NO_LEGS:
        legs = _legs(cdr.legs, region, sent)
        if legs is not cdr.legs:
            new["legs"] = legs
    return new


def _party(party: Party, path: str, region: str, sent: Sent) -> Party:
    told = party.number
    # Digits alone are of some country, and only a region says which.
    if not told or (not region and told.isdigit()):
        return party
    number = e164(told, region)
    if number == told:
        return party
    sent[f"{path}.number"] = told
    return replace(party, number=number)


def _legs(legs: Legs, region: str, sent: Sent) -> Legs:
    new = {
        name: _leg(leg, f"legs.{name}", region, sent)
        for name in _LEGS
        if (leg := getattr(legs, name)) != _NO_LEG
    }
    changed = any(leg is not getattr(legs, name) for name, leg in new.items())
    return replace(legs, **new) if changed else legs


def _leg(leg: Leg, path: str, region: str, sent: Sent) -> Leg:
    new = {
        name: _party(getattr(leg, name), f"{path}.{name}", region, sent)
        for name in _PARTIES
    }
    changed = any(line is not getattr(leg, name) for name, line in new.items())
    return replace(leg, **new) if changed else leg


def _outcome(cdr: Cdr, sent: Sent) -> dict[str, Any]:
    text, code = cause(cdr.hangup_cause, cdr.hangup_cause_code)
    new: dict[str, Any] = {"hangup_cause": text, "hangup_cause_code": code}
    new = {name: value for name, value in new.items() if value != getattr(cdr, name)}
    for name in new:
        if getattr(cdr, name) is not None:
            sent[name] = getattr(cdr, name)
    ended = disposition(cdr, text, code)
    return new if ended == cdr.disposition else {**new, "disposition": ended}


def _direction(
    cdr: Cdr, changes: Mapping[str, Any], rules: SourceRules, sent: Sent
) -> Direction | None:
    """Of the call with those changes."""
    if not (rules.region or rules.directions):
        return cdr.direction
    before = _sent_before(cdr.extra)
    if rules.directions:
        ruled = by_rule(_as_told(replace(cdr, **changes), before), rules)
        if ruled is not None:
            return ruled
    if cdr.direction not in _UNTOLD:
        return cdr.direction
    caller = changes.get("caller", cdr.caller).number
    dialed = changes.get("dialed", cdr.dialed).number
    is_withheld = caller is None and (_CALLER in sent or _CALLER in before)
    shape = by_shape(caller, dialed, rules.region, is_withheld=is_withheld)
    return shape or cdr.direction


def _as_told(cdr: Cdr, before: Mapping[str, Any]) -> Cdr:
    """With the direction that the PBX told: rules that swap two must not swap back."""
    told = before.get("direction", cdr.direction)
    if told == cdr.direction or (told is not None and told not in DIRECTIONS):
        return cdr
    return replace(cdr, direction=told)


def _sent_before(extra: Mapping[str, Any] | None) -> Mapping[str, Any]:
    before = extra.get(AS_SENT) if extra else None
    return before if isinstance(before, dict) else {}


def _beside(extra: Mapping[str, Any] | None, sent: Sent) -> dict[str, Any]:
    extra = extra or {}
    before = extra.get(AS_SENT, {})
    if not isinstance(before, dict):
        before = {f"extra.{AS_SENT}": before}
    return {**extra, AS_SENT: {**sent, **before}}
