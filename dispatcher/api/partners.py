"""Webex' two reconciliation APIs, so that a client of theirs works unchanged (webex.txt).

For a partner's token with the scope read. Counts and records of one range, page by page:
a client asks for pages 1 to `num-pages`. An empty result has one page; beyond the last
page there is nothing, and no error, because a result may shrink while it is read.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.core.exceptions import TooManyFieldsSent
from django.http import HttpResponse
from django.urls import path, re_path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from ninja.errors import AuthenticationError

from dispatcher import broker
from dispatcher.api import body, webex_errors
from dispatcher.api.auth import ApiRequest, Bearer, Caller
from dispatcher.api.partner_query import counts_asked, records_asked
from dispatcher.api.problems import Problem
from dispatcher.payloads import encoding, feed
from dispatcher.pipeline import reconcile

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from django.http import HttpRequest, QueryDict
    from django.http.response import HttpResponseBase

    from dispatcher.models import Partner

    Answering = Callable[[Caller, Partner, QueryDict, dt.datetime], HttpResponse]

_METHODS: Final = ("GET", "HEAD")
_bearer: Final = Bearer("read")


def _for_partners(answering: Answering) -> Callable[..., HttpResponseBase]:
    """A view for GET by partners, which has the query and the time handed to it."""

    @functools.wraps(answering)
    def view(request: ApiRequest) -> HttpResponse:
        if request.method not in _METHODS:
            allowed = ", ".join(_METHODS)
            raise Problem(
                405, f"This path takes {allowed}.", headers={"Allow": allowed}
            )
        now = timezone.now()
        caller = _caller(request)
        partner = _partner(caller)
        _keep_to_limit(partner, now)
        return answering(caller, partner, _query(request), now)

    return csrf_exempt(body.drained(webex_errors.shaped(view)))


def _caller(request: ApiRequest) -> Caller:
    """Who asks; kept with the request for the log. Raises what a bad token raises."""
    caller: Caller | None = _bearer(request)
    if caller is None:
        raise AuthenticationError
    request.auth = caller
    return caller


def _partner(caller: Caller) -> Partner:
    if caller.partner is None:
        raise Problem(403, "A partner's token is needed; this one is a tenant's.")
    return caller.partner


def _keep_to_limit(partner: Partner, now: dt.datetime) -> None:
    """Problem 429 beyond CDRHOOK_RECONCILIATION_PER_MINUTE, over all its tokens."""
    per_minute = settings.CDRHOOK_RECONCILIATION_PER_MINUTE
    if per_minute < 1:
        return
    seconds = broker.wait_seconds(str(partner.pk), per_minute=per_minute, now=now)
    if seconds:
        raise Problem(
            429,
            f"A partner may ask {per_minute} times a minute.",
            headers={"Retry-After": str(seconds)},
        )


def _query(request: HttpRequest) -> QueryDict:
    try:
        return request.GET
    except TooManyFieldsSent:
        raise Problem(400, "The query has too many parameters.") from None


@_for_partners
def count_by_org(
    _caller: Caller, partner: Partner, query: QueryDict, now: dt.datetime
) -> HttpResponse:
    """How many calls of each organisation ended in a range of at most 60 minutes."""
    asked = counts_asked(query, now)
    page = reconcile.count_by_org(partner, asked.start, asked.end, asked.page)
    counts = [{"orgId": org.org_id, "count": org.count} for org in page.items]
    return _paged({"cdr_counts": counts}, page, total="total-orgs")


@_for_partners
def records_of_org(
    caller: Caller, _partner: Partner, query: QueryDict, now: dt.datetime
) -> HttpResponse:
    """The records of an organisation's calls that ended in a range, as the feed has them."""
    asked = records_asked(query, now)
    tenant = caller.tenant_named(asked.org_id)
    page = reconcile.records_of_org(tenant, asked.start, asked.end, asked.page)
    items = [feed.item(carried) for carried in page.items]
    return _paged({"items": items}, page, total="total-records")


def _paged(
    content: dict[str, Any], page: reconcile.Page[Any], *, total: str
) -> HttpResponse:
    """The answer with the headers that webex.txt names; `total`: of them, the total's."""
    return HttpResponse(
        encoding.json_bytes(content),
        content_type=encoding.JSON_TYPE,
        headers={
            "num-pages": str(page.pages),
            total: str(page.total),
            "current-page": str(page.number),
        },
    )


urlpatterns = [
    path("v1/partners/cdrcountbyorg", count_by_org),
    path("v1/partners/cdrsbyorg", records_of_org),
    re_path(r"^v1(?:/|$)", csrf_exempt(body.drained(webex_errors.no_such_path))),
]


# Described --------------------------------------------------------------------------


def _parameter(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {
        "in": "query",
        "name": name,
        "required": name != "page",
        "description": description,
        "schema": schema or {"type": "string"},
    }


_TEXT: Final = {"type": "string"}
_WHEN: Final = "as YYYY-MM-DDTHH:MM:SS.mmmZ, between 48 hours and 5 minutes ago"
_RANGE: Final = [
    _parameter("startTime", f"From this end of a call on, {_WHEN}"),
    _parameter("endTime", f"Up to, not including, this end of a call, {_WHEN}"),
    _parameter("page", "From 1 to num-pages", type="integer", minimum=1, default=1),
]


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": [*properties], "properties": properties}


def _list(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


def _json(description: str, schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    content = {encoding.JSON_TYPE: {"schema": schema}}
    return {"description": description, "content": content, **more}


def _operation(
    name: str,
    summary: str,
    parameters: list[dict[str, Any]],
    schema: dict[str, Any],
    total: str,
) -> dict[str, Any]:
    headers = {
        header: {"schema": {"type": "integer"}}
        for header in ("num-pages", total, "current-page")
    }
    error = _object(
        message=_TEXT, errors=_list(_object(description=_TEXT)), trackingId=_TEXT
    )
    return {
        "get": {
            "operationId": name,
            "summary": summary,
            "tags": ["Reconciliation"],
            "security": [{"Bearer": []}],
            "parameters": parameters,
            "responses": {
                "200": _json("OK", schema, headers=headers),
                "default": _json("An error, as Webex shapes it", error),
            },
        }
    }


# What these paths add to the OpenAPI document.
PATHS: Final = {
    "/v1/partners/cdrcountbyorg": _operation(
        "count_by_org",
        "Count the records of each organisation (at most 60 minutes)",
        _RANGE,
        _object(cdr_counts=_list(_object(orgId=_TEXT, count={"type": "integer"}))),
        "total-orgs",
    ),
    "/v1/partners/cdrsbyorg": _operation(
        "records_of_org",
        "Get the records of an organisation",
        [_parameter("orgId", "The organisation; also spelled orgID"), *_RANGE],
        _object(items=_list({"type": "object"})),
        "total-records",
    ),
}
