"""Ranges, calls and requests for the tests of the two reconciliation APIs."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from dispatcher.adapters import cdr_json
from dispatcher.models import StoredCdr
from dispatcher.values import Cdr
from tests.conftest import NOW

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dispatcher.models import Tenant

COUNTS: Final = "/v1/partners/cdrcountbyorg"
RECORDS: Final = "/v1/partners/cdrsbyorg"

MS: Final = dt.timedelta(milliseconds=1)
OLDEST: Final = NOW - dt.timedelta(hours=48)
NEWEST: Final = NOW - dt.timedelta(minutes=5)
# Half an hour in the middle of what may be asked for.
START: Final = NOW - dt.timedelta(hours=2)
END: Final = START + dt.timedelta(minutes=30)


def text(moment: dt.datetime) -> str:
    """A time as the document has it: YYYY-MM-DDTHH:MM:SS.mmmZ."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def query(**parameters: Any) -> str:
    """A query of START to END; keyword arguments replace or, if None, remove."""
    given = {"startTime": START, "endTime": END, **parameters}
    return urlencode(
        {
            name: text(value) if isinstance(value, dt.datetime) else value
            for name, value in given.items()
            if value is not None
        }
    )


def ended(tenant: Tenant, ends: Iterable[dt.datetime], **values: Any) -> None:
    """Stores a call for each end, named `0`, `1` and so on."""
    StoredCdr.objects.bulk_create(
        _row(tenant, str(index), end, values) for index, end in enumerate(ends)
    )


def _row(tenant: Tenant, uid: str, end: dt.datetime, values: Any) -> StoredCdr:
    started = end - dt.timedelta(minutes=1)
    cdr = Cdr(uid=uid, started_at=started, ended_at=end, **values)
    record = cdr_json.dump(cdr)
    return StoredCdr(
        tenant=tenant,
        uid=uid,
        source="test",
        record=record,
        content_hash=cdr_json.content_hash(record),
        started_at=started,
        call_end=end,
        accepted_at=NOW,
    )


def headers(response: Any, total: str) -> tuple[int, int, int]:
    """num-pages, the total and current-page, as an answer's headers tell them."""
    numbers = (response[name] for name in ("num-pages", total, "current-page"))
    return tuple(map(int, numbers))  # type: ignore[return-value]


def refused(response: Any, status: int) -> str:
    """The message of an answer that must be an error in Webex' shape."""
    error = response.json()
    assert response.status_code == status
    assert response["Content-Type"] == "application/json"
    assert set(error) == {"message", "errors", "trackingId"}
    assert error["trackingId"] == response["trackingid"]
    assert [set(one) for one in error["errors"]] == [{"description"}] * len(
        error["errors"]
    )
    assert error["errors"]
    return str(error["message"])
