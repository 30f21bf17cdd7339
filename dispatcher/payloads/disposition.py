"""How a call ended, for styles that must say so: as reported, else as it follows.

Infers only what other fields leave no doubt about. Chooses no style's words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dispatcher.values import Cdr, Disposition

_USER_BUSY_CODE: Final = 17  # Q.850


def disposition(cdr: Cdr) -> Disposition | None:
    """The reported disposition, else the one that the call's other fields imply.

    Answered: there is an answer time, or talk or billed time. Busy: the cause says so.
    Not answered: abandoned, or no second of it (of talk, if that is known) was spent.
    None: nothing tells; a mere duration does not, since it counts ringing too.
    """
    if cdr.disposition is not None:
        return cdr.disposition
    if cdr.answered_at is not None or cdr.talk_duration or cdr.billed_duration:
        return "answered"
    if cdr.hangup_cause_code == _USER_BUSY_CODE or cdr.hangup_cause == "USER_BUSY":
        return "busy"
    if cdr.abandoned or cdr.talk_duration == 0 or cdr.duration == 0:
        return "no_answer"
    return None
