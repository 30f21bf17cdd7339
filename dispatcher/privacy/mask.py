"""Masks the numbers of a call before it is rendered, for receivers that may not see them.

* `digits`: the last so many digits of a number become `x`, one for one, and all else of
  it stays: `+44 20 3170 3746` -> `+44 20 3170 xxxx`. It remains a text of the same
  length, and no software takes it for another subscriber's number.
* `hash`: `h` and 16 hex digits, the first of HMAC-SHA256 over the number's digits. The
  same number, with or without `+` or `00`, gives the same text within a webhook, and
  another one in another webhook. What says that there is none (`anonymous`) stays.

Numbers also stand where they need not: as names, in tags, in file names of recordings.
There, a number of the call's own is masked wherever it is found whole, and in what
people wrote (names, tags, contacts, transcriptions) so is every other run of 7 digits
or more. Of `extra`, whose content nobody knows, only Webex' own record is sent, by the
feed; of that the names that are known pass, masked like the rest.

The uid is what a call is known by, and stays. Filters have seen the call as it was.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal

from dispatcher.privacy.numbers import (
    FEWEST,
    NUMBER_IN_TEXT,
    canonical,
    pattern_of,
    split,
)
from dispatcher.values import Summary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dispatcher.values import CarriedCdr, Cdr, Masking

_Rule = Literal["keep", "number", "id", "text", "extra"]

# Which rule holds for an attribute of the parts of a CDR; the others hold text.
_RULES: Final[dict[str, _Rule]] = {
    **dict.fromkeys(("number", "phone_number", "phones"), "number"),
    **dict.fromkeys(("id", "call_id", "report_id", "contact_id", "crm_id"), "id"),
    **dict.fromkeys(("client_id", "callrequest_id", "leg_type", "amd_status"), "id"),
    **dict.fromkeys(("uid", "time_zone", "direction", "call_type"), "keep"),
    **dict.fromkeys(("disposition", "hangup_cause", "user_type"), "keep"),
    **dict.fromkeys(("started_at", "answered_at", "ended_at", "cost"), "keep"),
    "extra": "extra",
}
# Of Webex' own record, lower-case: what holds numbers, and what people wrote.
WEBEX_NUMBERS: Final = frozenset(
    {
        *("caller id number", "external caller id number", "calling number"),
        *("called number", "dialed digits", "redirecting number", "user number"),
        *("site main number", "elin", "emergency number source"),
    }
)
WEBEX_TEXTS: Final = frozenset(
    {
        *("called line id", "calling line id", "user", "location", "route group"),
        *("authorization code", "inbound trunk", "outbound trunk"),
    }
)
# Short numbers are looked for in texts from so many digits on: a "2" is no extension.
_SHORTEST: Final = 3


def masked(carried: CarriedCdr, masking: Masking) -> CarriedCdr:
    """The call as a receiver may see it; the same for the same arguments."""
    masker = Masker(masking, tuple(dict.fromkeys(_numbers_in(carried.cdr))))
    said = carried.summary
    return replace(
        carried,
        cdr=masker.parts(carried.cdr),
        summary=said
        and Summary(
            transcription=masker.text(said.transcription),
            summary=masker.text(said.summary),
        ),
    )


@dataclass(frozen=True, slots=True)
class Masker:
    """Masks by one webhook's setting; `known` are the call's own numbers, canonical."""

    masking: Masking
    known: tuple[str, ...] = ()

    def number(self, text: str) -> str:
        """A text that is one number, or an address with one."""
        if self.masking.mask == "digits":
            return _without_last(text, self.masking.digits)
        return _hashed(text, self.masking.key)

    def identifier(self, text: str) -> str:
        """An id, which stays but for the call's own numbers in it, if they are long."""
        if not _has_digit(text):
            return text
        for digits in self.known:
            if len(digits) >= FEWEST:
                text = _pattern(digits).sub(self._found, text)
        return _RUN.sub(self._found_if_known, text)

    def text(self, text: str) -> str:
        """What people wrote: the call's own numbers, and whatever may be one."""
        if not _has_digit(text):
            return text
        for digits in self.known:
            text = _pattern(digits).sub(self._found, text)
        return NUMBER_IN_TEXT.sub(self._found, text)

    def parts(self, part: Any) -> Any:
        """A CDR, or a part of one, with every attribute masked by its rule."""
        changes = {
            name: self._by_rule(rule, value)
            for name, rule in _rules(_kind(part))
            if (value := getattr(part, name)) is not None
        }
        return replace(part, **changes)

    def _by_rule(self, rule: _Rule, value: Any) -> Any:
        if isinstance(value, str):
            return self._text_by_rule(rule, value)
        if isinstance(value, tuple):
            return tuple(None if v is None else self._by_rule(rule, v) for v in value)
        if isinstance(value, dict):
            return self._extra(value) if rule == "extra" else self._json(value)
        if is_dataclass(value):
            return self.parts(value)
        # Ids of dialers may be whole numbers; other whole numbers are durations.
        return self._whole(value) if rule == "id" else value

    def _text_by_rule(self, rule: _Rule, text: str) -> str:
        if rule == "number":
            return self.number(text)
        return self.identifier(text) if rule == "id" else self.text(text)

    def _json(self, value: Any) -> Any:
        """Tags, which may be any JSON."""
        if isinstance(value, dict):
            return {self.text(key): self._json(entry) for key, entry in value.items()}
        if isinstance(value, list):
            return [self._json(entry) for entry in value]
        return self.text(value) if isinstance(value, str) else self._whole(value)

    def _whole(self, value: Any) -> Any:
        """A whole number that is one of the call's, or as long as one: masked, as text."""
        if not isinstance(value, int) or abs(value) < _LONG:
            return value
        return self.text(str(value))

    def _extra(self, extra: dict[str, Any]) -> dict[str, Any]:
        """Of what a PBX sent beside, the record that the feed sends: Webex' own."""
        webex = extra.get("webex")
        if not isinstance(webex, dict):
            return {}
        return {"webex": {name: self._webex(name, webex[name]) for name in webex}}

    def _webex(self, name: str, value: Any) -> Any:
        kind = name.lower()
        if kind in WEBEX_NUMBERS and isinstance(value, int):
            value = str(value)
        if not isinstance(value, str):
            return self._json(value)
        if kind in WEBEX_NUMBERS or NUMBER_IN_TEXT.fullmatch(value):
            return self.number(value)
        return self.text(value) if kind in WEBEX_TEXTS else self.identifier(value)

    def _found(self, match: re.Match[str]) -> str:
        return self.number(match[0])

    def _found_if_known(self, match: re.Match[str]) -> str:
        """Digits of an id: masked where they are the end of a number of the call's."""
        national = match[0].lstrip("0")
        is_known = len(national) >= FEWEST and any(
            known.endswith(national) for known in self.known
        )
        return self.number(match[0]) if is_known else match[0]


_RUN: Final = re.compile(rf"\d{{{FEWEST},}}")
_LONG: Final = 10 ** (FEWEST - 1)
_pattern = lru_cache(maxsize=4096)(pattern_of)


def _kind(part: Any) -> Any:
    return type(part)


@lru_cache(maxsize=64)
def _rules(kind: Any) -> tuple[tuple[str, _Rule], ...]:
    """The attributes of a part that are masked, and how."""
    rules = [(entry.name, _RULES.get(entry.name, "text")) for entry in fields(kind)]
    return tuple((name, rule) for name, rule in rules if rule != "keep")


def _has_digit(text: str) -> bool:
    return any(map(str.isdecimal, text))


def _numbers_in(cdr: Cdr) -> Iterator[str]:
    """The canonical digits of a call's own numbers, of those that are not too short."""
    for text in _number_texts(cdr):
        digits = canonical(text)
        if len(digits) >= _SHORTEST:
            yield digits


def _number_texts(part: Any) -> Iterator[str]:
    for name, rule in _rules(_kind(part)):
        value = getattr(part, name)
        if rule == "extra":
            yield from _webex_numbers((value or {}).get("webex"))
            continue
        for inner in value if isinstance(value, tuple) else (value,):
            if is_dataclass(inner):
                yield from _number_texts(inner)
            elif rule == "number" and inner:
                yield inner


def _webex_numbers(webex: Any) -> list[str]:
    return [
        str(value)
        for name, value in (webex.items() if isinstance(webex, dict) else ())
        if name.lower() in WEBEX_NUMBERS and isinstance(value, str | int)
    ]


def _without_last(text: str, count: int) -> str:
    """`text` with its last `count` digits as x; of an address, those before its host."""
    before, user, behind = split(text)
    left = sum(map(str.isdecimal, user)) - count
    shown = []
    for one in user:
        left -= one.isdecimal()
        shown.append("x" if one.isdecimal() and left < 0 else one)
    return f"{before}{''.join(shown)}{behind}"


def _hashed(text: str, key: str) -> str:
    """The keyed hash of a number; of an address without its host."""
    _, user, behind = split(text)
    if not (_has_digit(user) or behind.startswith("@")):
        return text
    # With letters in it, it is a name: user_1 and agent_1 are two.
    is_name = any(map(str.isalpha, user))
    said = user.casefold() if is_name else canonical(user)
    digest = hmac.new(key.encode(), said.encode(), hashlib.sha256)
    return "h" + digest.hexdigest()[:16]
