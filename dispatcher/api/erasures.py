"""Erases a number by HTTP. Nothing about it is kept, so that there is nothing to list."""

import time
from dataclasses import asdict
from typing import Any, Final

from ninja import Router, Status
from pydantic import BaseModel, ConfigDict, Field

from dispatcher.api.auth import ApiRequest, Bearer, TenantName
from dispatcher.api.problems import Problem, listed
from dispatcher.models import Tenant
from dispatcher.pipeline.erase import BadCursorError, BusyError, Progress, erase
from dispatcher.privacy.search import BadNumberError
from dispatcher.values import FieldError

router = Router(tags=["Privacy"])

# A request that takes longer is told where to go on.
ANSWER_SECONDS: Final = 5.0
REST: Final = 0.5
RETRY_AFTER_SECONDS: Final = 5


class ErasureBody(BaseModel):
    """Which number, with its country code; `cursor` is that of the answer before."""

    model_config = ConfigDict(extra="forbid", strict=True)

    number: str = Field(max_length=64, description="Such as +442031703746")
    dry_run: bool = Field(False, description="Only count, change nothing")
    cursor: str = Field("", max_length=200)


class ErasureJson(BaseModel):
    """What is gone since this request began. Not done: ask again with `cursor`."""

    done: bool
    cursor: str | None
    dry_run: bool
    calls: int
    revisions: int
    summaries: int
    recordings: int
    deliveries: int
    attempts: int
    quarantined: int
    legs: int


@router.post(
    "/api/v1/erasures",
    auth=Bearer("manage"),
    response={200: ErasureJson, 202: ErasureJson},
    summary="Erase a number",
)
def erase_number(
    request: ApiRequest, body: ErasureBody, tenant: TenantName = None
) -> Status[dict[str, Any]]:
    """200 when it is done; 202 after some seconds of it, with a `cursor` to go on."""
    progress = _erased(request.auth.tenant_named(tenant), body)
    answer = {
        "done": not progress.cursor,
        "cursor": progress.cursor or None,
        "dry_run": body.dry_run,
        **asdict(progress.erased),
    }
    return Status(202 if progress.cursor else 200, answer)


def _erased(tenant: Tenant, body: ErasureBody) -> Progress:
    """As far as it comes in the time of one answer."""
    until = time.monotonic() + ANSWER_SECONDS
    steps = erase(
        tenant, body.number, dry_run=body.dry_run, cursor=body.cursor, rest=REST
    )
    try:
        progress = next(steps)  # there is one at least
        while progress.cursor and time.monotonic() < until:
            progress = next(steps)
    except BadNumberError as error:
        raise _refused("number", str(error)) from None
    except BadCursorError as error:
        raise _refused("cursor", str(error)) from None
    except BusyError as error:
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        raise Problem(503, str(error), headers=headers) from None
    return progress


def _refused(field: str, message: str) -> Problem:
    errors = listed([FieldError(field, message)])
    return Problem(422, "Nothing was erased.", errors=errors)
