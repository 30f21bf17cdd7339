"""Leaves out of a call what a webhook's receiver is not to be shown.

`allowed` are names of properties: those of `cdr_fields` (`cliNum`, `tags.Support`), or
those of the API (`caller.number`; `caller` means all beneath it). What is not among them
becomes unknown before the call is rendered, so that each style shows it as it shows
whatever is unknown: left out, empty or null. The uid, and when the call began, stay:
no style can do without them. Nothing at all means everything.
"""

from __future__ import annotations

import types
import typing
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from dispatcher import values
from dispatcher.cdr_fields import FIELDS, TAG_PREFIX
from dispatcher.values import CarriedCdr, Cdr, Recording, Summary

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Beside the properties of a call: what was said in it.
TRANSCRIPTION: Final = "transcription"
SUMMARY: Final = "summary"
ALWAYS: Final = ("uid", "started_at")
# Flags that say that there is something, and not what.
_PRESENCE: Final = frozenset({"hasRec", "rate"})

# Of an object, the parts of it that stay; True: all of it.
_Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Allowed:
    """What `allowed` means: the names of cdr_fields, and the parts of a CDR."""

    shown: frozenset[str]
    tree: _Tree
    names: frozenset[str]


@lru_cache(maxsize=1024)
def allowed_of(names: tuple[str, ...]) -> Allowed:
    """Understands a webhook's list; unknown names mean nothing."""
    tree: _Tree = {}
    for name in (*ALWAYS, *names):
        _add(tree, name)
    shown = {name for name in FIELDS if name in names or _covered(name, names)}
    if any(name.startswith(TAG_PREFIX) for name in names):
        shown.add("tags")
    return Allowed(frozenset(shown), tree, frozenset(names))


def unknown_among(names: Sequence[str]) -> list[str]:
    """Those that name no property."""
    return [name for name in names if not _is_known(name)]


@lru_cache(maxsize=1)
def known_names() -> tuple[str, ...]:
    """Every name, but for those of single tags: cdr_fields', then the API's."""
    return tuple(dict.fromkeys([*FIELDS, *_paths(Cdr), TRANSCRIPTION, SUMMARY]))


def only_allowed(carried: CarriedCdr, allowed: Allowed) -> CarriedCdr:
    """The call with what is allowed of it."""
    said = carried.summary
    has_link = allowed.tree.get("recordings") is True
    return replace(
        carried,
        cdr=_kept(carried.cdr, allowed.tree),
        recording_url=carried.recording_url if has_link else "",
        summary=said
        and Summary(
            transcription=said.transcription if TRANSCRIPTION in allowed.names else "",
            summary=said.summary if SUMMARY in allowed.names else "",
        ),
    )


def _is_known(name: str) -> bool:
    is_tag = name.startswith(TAG_PREFIX) and name != TAG_PREFIX
    return is_tag or name in known_names()


def _covered(name: str, names: Sequence[str]) -> bool:
    """Whether a field is read from a property that the API's names allow."""
    path = FIELDS[name].path
    return bool(path) and any(
        path == one or path.startswith(f"{one}.") for one in names if one not in FIELDS
    )


def _add(tree: _Tree, name: str) -> None:
    """Has the parts stay that a name stands for."""
    entry = FIELDS.get(name)
    path = name if entry is None else entry.path
    *parents, last = (
        path.split(".", 1) if path.startswith(TAG_PREFIX) else path.split(".")
    )
    for parent in parents:
        if tree.get(parent) is True:
            return
        tree = tree.setdefault(parent, {})
    if name in _PRESENCE:
        tree.setdefault(last, {})
    else:
        tree[last] = True


def _kept(value: Any, tree: _Tree) -> Any:
    """A part of a CDR with those of its parts that stay."""
    if isinstance(value, dict):
        return {key: entry for key, entry in value.items() if key in tree}
    if isinstance(value, tuple):
        # That there are recordings, and how many.
        return tuple(Recording(id="") for _ in value)
    if not is_dataclass(value):
        return value
    part_of: Any = type(value)
    stay = {
        name: part if below is True else _kept(part, below)
        for name, below in tree.items()
        if (part := getattr(value, name, None)) is not None
    }
    return part_of(**stay)


def _paths(kind: type[Any], prefix: str = "") -> Iterator[str]:
    """The API's names of all properties, with dots, but for those inside lists."""
    hints = typing.get_type_hints(kind, vars(values))
    for entry in fields(kind):
        yield prefix + entry.name
        for part in _dataclasses_of(hints[entry.name]):
            yield from _paths(part, f"{prefix}{entry.name}.")


def _dataclasses_of(hint: Any) -> list[type[Any]]:
    """The dataclass that a property is, or may be."""
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return [one for one in options if isinstance(one, type) and is_dataclass(one)]
