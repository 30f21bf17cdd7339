"""How a call ended, where the PBX told times and a cause but did not say so."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dispatcher.values import Cdr, Disposition

_BY_TEXT: Final[MappingProxyType[str, Disposition]] = MappingProxyType(
    {
        "ORIGINATOR_CANCEL": "cancelled",
        # Somebody else took the call.
        "LOSE_RACE": "cancelled",
        "PICKED_OFF": "cancelled",
        "BUSY_EVERYWHERE": "busy",
        "ALLOTTED_TIMEOUT": "no_answer",
        "NO_PICKUP": "no_answer",
        "PROGRESS_TIMEOUT": "no_answer",
    }
)
_BY_CODE: Final[MappingProxyType[int, Disposition]] = MappingProxyType(
    {17: "busy", 18: "no_answer", 19: "no_answer"}
)
# They end calls that were answered as well as others.
_NORMAL: Final = frozenset({16, 31})


def disposition(cdr: Cdr, cause: str | None, code: int | None) -> Disposition | None:
    """As the PBX said, else from the times and the cause; None: these do not tell.

    `cause` and `code` are the call's in our vocabulary (normalise.causes).
    """
    if cdr.disposition is not None:
        return cdr.disposition
    if cdr.answered_at is not None or cdr.talk_duration:
        return "answered"
    return _BY_TEXT.get(cause or "") or _of_code(code, cdr.talk_duration)


def _of_code(code: int | None, talked: int | None) -> Disposition | None:
    if not code or code >= 128:
        return None
    if code in _NORMAL:
        return "no_answer" if talked == 0 else None
    return _BY_CODE.get(code, "failed")
