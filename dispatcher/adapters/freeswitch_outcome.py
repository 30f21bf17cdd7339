"""How a leg ended, told from FreeSWITCH's hangup cause and whether it was answered.

Kazoo runs on FreeSWITCH and passes its causes on.
"""

from __future__ import annotations

from typing import Final

# How a leg that was never answered ended, by hangup_cause; all others: failed.
# NORMAL_CLEARING does not say who hung up, only that nobody had answered.
UNANSWERED: Final = {
    "USER_BUSY": "busy",
    "NO_ANSWER": "no_answer",
    "NO_USER_RESPONSE": "no_answer",
    "ALLOTTED_TIMEOUT": "no_answer",
    "NORMAL_CLEARING": "no_answer",
    "ORIGINATOR_CANCEL": "cancelled",
    # Somebody else took the call: this leg was called off.
    "LOSE_RACE": "cancelled",
    "PICKED_OFF": "cancelled",
}


def disposition(cause: str | None, *, answered: bool, given_up: bool) -> str | None:
    """Our word for it; `given_up`: the caller did. None: the cause is not told."""
    if answered:
        return "answered"
    if given_up:
        return "cancelled"
    return None if cause is None else UNANSWERED.get(cause, "failed")


def abandoned(cause: str | None, *, answered: bool, given_up: bool) -> bool | None:
    """Whether the caller gave up; unknown where nobody says who cleared."""
    if not answered and not given_up and cause in {None, "NORMAL_CLEARING"}:
        return None
    return given_up and not answered
