"""The parameters of the reconciliation APIs (webex.txt, API endpoints; PAYLOADS, feed).

Everything that is wrong is named at once, by the parameter's name (Problem 400). What
the documents do not know is left unread: an extra parameter must not break a client. A
parameter may come twice with the same value; two values cannot both be meant.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dispatcher.api.problems import Problem, listed
from dispatcher.values import FieldError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.http import QueryDict

# Records are available for 48 hours; a call is counted on 5 minutes after its end.
OLDEST: Final = dt.timedelta(hours=48)
NEWEST: Final = dt.timedelta(minutes=5)
# A client that asks for just 48 hours ago is right: its request has taken a while.
ON_THE_WAY: Final = dt.timedelta(seconds=1)
LONGEST_COUNT: Final = dt.timedelta(minutes=60)

_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z"
)
_PAGE: Final = re.compile(r"[1-9][0-9]{0,8}")
# The document's text says orgID where its example of a URL says orgId.
_ORG_ID: Final = ("orgId", "orgID")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The range [start, end) that is asked for, and its 1-indexed page.

    `org_id` is the external_id of the one organisation that is meant, if one is.
    """

    start: dt.datetime
    end: dt.datetime
    page: int
    org_id: str = ""


def counts_asked(query: QueryDict, now: dt.datetime) -> Asked:
    """What is asked of the counts: at most 60 minutes, between 48 h and 5 min ago."""
    return _asked(query, now, longest=LONGEST_COUNT)


def records_asked(query: QueryDict, now: dt.datetime) -> Asked:
    """What is asked of the records: of one organisation, between 48 h and 5 min ago."""
    return _asked(query, now, of_org=True)


class _Faults(list[FieldError]):
    """The parameters at fault, and why."""

    def note(self, parameter: str, message: str) -> None:
        self.append(FieldError(parameter, message))


def _asked(
    query: QueryDict,
    now: dt.datetime,
    *,
    longest: dt.timedelta | None = None,
    of_org: bool = False,
) -> Asked:
    faults = _Faults()
    org_id = _text(query, _ORG_ID, faults) if of_org else ""
    start = _moment(query, "startTime", now, faults)
    end = _moment(query, "endTime", now, faults)
    page = _page(query, faults)
    if start is not None and end is not None:
        faults.extend(_range_faults(start, end, longest))
    if faults or start is None or end is None:
        raise Problem(400, "Parameters are at fault.", errors=listed(faults))
    # No id holds a space: it was a + that the client did not encode.
    return Asked(start=start, end=end, page=page, org_id=org_id.replace(" ", "+"))


def _text(query: QueryDict, names: tuple[str, ...], faults: _Faults) -> str:
    """The one value of a parameter, however it is spelled; empty with a fault noted."""
    values = {value for name in names for value in query.getlist(name)}
    if len(values) > 1:
        faults.note(names[0], "is given more than once, with different values")
        return ""
    text = "".join(values)
    if not text:
        faults.note(names[0], "is required")
    return text


def _moment(
    query: QueryDict, name: str, now: dt.datetime, faults: _Faults
) -> dt.datetime | None:
    """A time between 48 h and 5 min ago, both included."""
    text = _text(query, (name,), faults)
    if not text:
        return None
    moment = _parsed(text)
    if moment is None:
        faults.note(
            name,
            "must be a time as YYYY-MM-DDTHH:MM:SS.mmmZ, in UTC with three digits of"
            " milliseconds and Z",
        )
        return None
    # As fine as the parameters are: a client's own now is cut off like this, too.
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    if not now - OLDEST - ON_THE_WAY <= moment <= now - NEWEST:
        faults.note(name, "must be between 48 hours and 5 minutes ago")
    return moment


def _parsed(text: str) -> dt.datetime | None:
    if not _MOMENT.fullmatch(text):
        return None
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        return None  # a day or an hour that there is not


def _range_faults(
    start: dt.datetime, end: dt.datetime, longest: dt.timedelta | None
) -> Iterator[FieldError]:
    if start >= end:
        yield FieldError("startTime", "must be before endTime")
    elif longest is not None and end - start > longest:
        minutes = longest // dt.timedelta(minutes=1)
        yield FieldError(
            "endTime", f"must be at most {minutes} minutes later than startTime"
        )


def _page(query: QueryDict, faults: _Faults) -> int:
    if "page" not in query:
        return 1
    text = _text(query, ("page",), faults)
    if not text:
        return 1
    if not _PAGE.fullmatch(text):
        faults.note("page", "must be a whole number from 1")
        return 1
    return int(text)
