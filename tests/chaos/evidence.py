"""What was seen of a run from outside: by the PBX, by the receivers, by the API.

Read from what those processes wrote down; judges nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

# A POST that was sent, and whose answer did not come.
ANSWER_LOST: Final = 0
# Nobody listened: nothing was sent.
NOT_SENT: Final = -1
TAKEN: Final = 202
BUSY: Final = 503
UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Try:
    """One POST of the PBX; times in seconds since the epoch, by a clock that is true.

    `status` is HTTP's, ANSWER_LOST or NOT_SENT. A post that is tried again keeps its
    number. `outcome` is UNKNOWN where the answer says so of what was asked for.
    """

    post: int
    uids: tuple[str, ...]
    sent: float
    ended: float
    status: int
    accepted: int = 0
    duplicates: int = 0
    retry_after: str = ""
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One whole request at a receiver, noted before it was answered.

    `answer` is the status, or what the receiver did instead.
    """

    at: float
    path: str
    webhook_id: str
    digest: str
    uids: tuple[str, ...]
    answer: str
    peer: int = 0

    @property
    def was_taken(self) -> bool:
        """The receiver has it, and said so."""
        return self.answer == "200"


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook of the run: where it goes, and which calls it wants.

    `only`: the ending of the uids that its filter admits, "" for all. `good`: everything
    must arrive in the end. `prompt`: each call is sent at once, and its receiver is well
    all the time.
    """

    id: str
    path: str
    only: str = ""
    good: bool = True
    prompt: bool = True

    def wants(self, uid: str) -> bool:
        """Whether its filter admits the call."""
        return uid.endswith(self.only)


@dataclass(frozen=True, slots=True)
class Told:
    """A delivery as the API tells of it; `reason` is its last attempt's error."""

    id: str
    webhook: str
    state: str
    uids: tuple[str, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of a run. `crashes`: how often something was killed or cut off.

    `fates`: (webhook, uid) -> what the API says of a call that no delivery carries.
    `stored`: of calls that were never answered 202, those that the API knows.
    """

    hooks: Sequence[Hook]
    tries: Sequence[Try]
    arrivals: Sequence[Arrival]
    told: Sequence[Told]
    fates: Mapping[tuple[str, str], str] = field(default_factory=dict)
    stored: Collection[str] = frozenset()
    crashes: int = 0


class Lines:
    """A file of JSON lines that grows: `new()` gives the whole lines not yet read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_to = 0

    def new(self) -> Iterator[dict[str, Any]]:
        """Those that have been written since."""
        if not self._path.exists():
            return
        with self._path.open("rb") as lines:
            lines.seek(self._read_to)
            for line in lines:
                if not line.endswith(b"\n"):
                    return
                self._read_to += len(line)
                yield json.loads(line)


def as_try(line: dict[str, Any]) -> Try:
    """A line of the PBX's."""
    return Try(**{**line, "uids": tuple(line["uids"])})


def as_arrival(line: dict[str, Any]) -> Arrival:
    """A line of the receivers'."""
    return Arrival(**{**line, "uids": tuple(line["uids"])})
