"""The fields of a CDR by the names that dimensions.txt gives them, in its order.

The envelope sends these fields and filters ask for them; both read this one table, so
that what can be filtered is what is sent. Renders nothing, compares nothing.

A reader returns `None` for an unknown value, else what a receiver would see: flags and
codes as numbers, times in the record's zone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Mapping
    from decimal import Decimal

    from dispatcher.values import Cdr, Contact

Kind = Literal[
    "text", "number", "time", "flag", "code", "texts", "tag", "tags", "contacts"
]

DIRECTIONS: Final = MappingProxyType(
    {"unknown": 0, "internal": 1, "inbound": 2, "outbound": 3, "both": 4}
)
CALL_TYPES: Final = MappingProxyType({"unknown": 0, "internal": 1, "external": 2})
TAG_PREFIX: Final = "tags."

_FLAG: Final[Mapping[bool | None, int]] = MappingProxyType({True: 1, False: 0})


@dataclass(frozen=True, slots=True)
class CdrField:
    """One field: its name, the kind of its value, how it is read from a CDR.

    `path` is the property that it is read from, as the API names it (`caller.number`);
    empty: none. `words` are the names of a code's numbers, empty for other kinds.
    """

    name: str
    kind: Kind
    read: Callable[[Cdr], Any]
    path: str = ""
    words: Mapping[str, int] = field(default_factory=dict)


# Reading ------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo | None:
    """The IANA zone of that name, or None where there is none.

    Unknown names are refused when a CDR is accepted; one that is met here (the zone
    data changed, say) must not keep the call from being sent.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def in_zone(cdr: Cdr, moment: dt.datetime | None) -> dt.datetime | None:
    """`moment` in the record's zone; with its own offset where that is unknown."""
    if moment is None or cdr.time_zone is None:
        return moment
    there = zone(cdr.time_zone)
    if there is None:
        return moment
    try:
        return moment.astimezone(there)
    except OverflowError:  # at the ends of the calendar no other zone has a date
        return moment


def _known(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {key: value for key, value in pairs if value is not None}


_PHONES: Final = tuple(f"phone{number}" for number in range(1, 5))
_CUSTOM: Final = tuple(f"field{number}" for number in range(1, 11))


def _directory_match(contact: Contact) -> dict[str, Any]:
    """One contact, shaped as in the example of dimensions.txt."""
    fields = (
        ("title", contact.title),
        ("fullName", contact.full_name),
        ("companyName", contact.company),
        ("jobTitle", contact.job_title),
        *zip(_PHONES, contact.phones, strict=False),
        ("email", contact.email),
        ("crmId", contact.crm_id),
        *zip(_CUSTOM, contact.fields, strict=False),
    )
    return _known(
        (
            ("dirName", contact.directory.name),
            ("dirId", contact.directory.id),
            ("dirType", "DirectoryContactMatch"),
            ("contactId", contact.contact_id),
            ("fields", _known(fields)),
        )
    )


def _directory_matches(cdr: Cdr) -> list[dict[str, Any]] | None:
    if cdr.contacts is None:
        return None
    return [_directory_match(contact) for contact in cdr.contacts]


def _recording_ids(cdr: Cdr) -> list[str] | None:
    if cdr.recordings is None:
        return None
    return [recording.id for recording in cdr.recordings]


def _has_recording(cdr: Cdr) -> int | None:
    return None if cdr.recordings is None else int(bool(cdr.recordings))


def _answered(cdr: Cdr) -> int | None:
    return None if cdr.disposition is None else int(cdr.disposition == "answered")


def _rated(cdr: Cdr) -> int | None:
    # Absent rating: not known to be rated, so left out like any unknown value.
    return None if cdr.rating is None else 1


def _cost(cdr: Cdr) -> Decimal | None:
    # No receiver can read NaN, and nothing compares with it: no known cost.
    cost = None if cdr.rating is None else cdr.rating.cost
    return cost if cost is not None and cost.is_finite() else None


# The table ----------------------------------------------------------------------


def _text(name: str, path: str) -> CdrField:
    return CdrField(name, "text", attrgetter(path), path)


def _number(name: str, path: str) -> CdrField:
    return CdrField(name, "number", attrgetter(path), path)


def _time(name: str, path: str) -> CdrField:
    read = attrgetter(path)
    return CdrField(name, "time", lambda cdr: in_zone(cdr, read(cdr)), path)


def _flag(name: str, path: str) -> CdrField:
    read = attrgetter(path)
    return CdrField(name, "flag", lambda cdr: _FLAG.get(read(cdr)), path)


def _code(name: str, path: str, words: Mapping[str, int]) -> CdrField:
    read = attrgetter(path)
    return CdrField(name, "code", lambda cdr: words.get(read(cdr)), path, words)


def _rating(name: str, attribute: str) -> CdrField:
    # getattr's default also answers for the record that has no rating at all.
    return CdrField(
        name,
        "text",
        lambda cdr: getattr(cdr.rating, attribute, None),
        f"rating.{attribute}",
    )


_LEGS: Final = (
    ("fRng", "first_rang"),
    ("lRng", "last_rang"),
    ("ans", "answered"),
    ("lAns", "last_answered"),
)
_PARTIES: Final = (("Dev", "device"), ("Usr", "user"), ("Agt", "agent"))


def _leg_fields() -> Iterable[CdrField]:
    for party, party_path in _PARTIES:
        for leg, leg_path in _LEGS:
            yield _text(f"{leg}{party}Num", f"legs.{leg_path}.{party_path}.number")
            yield _text(f"{leg}{party}Name", f"legs.{leg_path}.{party_path}.name")


_TABLE: Final = (
    _text("id", "uid"),
    CdrField("dType", "text", lambda _cdr: "CloudSessionCdr"),
    CdrField("sVer", "number", lambda _cdr: 1),
    _text("pbxId", "pbx.id"),
    _text("pbxName", "pbx.name"),
    _text("tz", "time_zone"),
    _time("start", "started_at"),
    _time("answer", "answered_at"),
    _time("end", "ended_at"),
    _number("dur", "duration"),
    _number("ring", "ring_duration"),
    _number("talk", "talk_duration"),
    _number("hold", "hold_duration"),
    _number("park", "park_duration"),
    _flag("lost", "abandoned"),
    _flag("lostinPark", "abandoned_in_park"),
    _flag("aban", "short_ring"),  # dimensions.txt: "was a short ringing call or not"
    CdrField("ans", "flag", _answered, "disposition"),
    _flag("short", "short_call"),
    _text("cause", "hangup_cause"),
    _code("dir", "direction", DIRECTIONS),
    _code("type", "call_type", CALL_TYPES),
    _flag("t2t", "trunk_to_trunk"),
    _text("cliNum", "caller.number"),
    _text("cliName", "caller.name"),
    _text("cliLoc", "caller.location"),
    _text("cliArea", "caller.area"),
    _text("cliState", "caller.state"),
    _text("cliCtry", "caller.country"),
    _text("ddiNum", "dialed.number"),
    _text("ddiName", "dialed.name"),
    *_leg_fields(),
    _text("rteID", "route.id"),
    _text("rteName", "route.name"),
    _text("fRngGroupName", "legs.first_rang.group"),
    _text("lRngGroupName", "legs.last_rang.group"),
    _text("ansGroupName", "legs.answered.group"),
    CdrField("hasRec", "flag", _has_recording, "recordings"),
    CdrField("rate", "flag", _rated, "rating"),
    CdrField("rateCost", "number", _cost, "rating.cost"),
    _rating("rateBand", "band"),
    _rating("rateName", "name"),
    CdrField("recordingIds", "texts", _recording_ids, "recordings"),
    CdrField("directoryMatches", "contacts", _directory_matches, "contacts"),
    CdrField("tags", "tags", attrgetter("tags"), "tags"),
)

FIELDS: Final[Mapping[str, CdrField]] = MappingProxyType(
    {entry.name: entry for entry in _TABLE}
)


def field_named(name: str) -> CdrField | None:
    """The field of that name, `tags.NAME` being one tag; None where there is none."""
    if name.startswith(TAG_PREFIX) and name != TAG_PREFIX:
        return _tag(name)
    return FIELDS.get(name)


def _tag(name: str) -> CdrField:
    key = name.removeprefix(TAG_PREFIX)
    return CdrField(
        name,
        "tag",
        lambda cdr: None if cdr.tags is None else cdr.tags.get(key),
        name,
    )
