"""Errors as Webex shapes them, for the paths that its clients know: `/v1/`.

`{"message", "errors": [{"description"}], "trackingId"}`. The tracking id of an answer,
error or not, is also its `trackingid` header and stands in the log. Decides no status.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import structlog
from django.http import JsonResponse

from dispatcher.api import problems
from dispatcher.api.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

log = structlog.get_logger(__name__)

PREFIX: Final = "/v1/"


def shaped(
    view: Callable[..., HttpResponseBase],
) -> Callable[..., HttpResponseBase]:
    """A view whose every error is Webex-shaped, and whose outcome is logged."""

    @functools.wraps(view)
    def answered(request: HttpRequest) -> HttpResponseBase:
        tracking_id = f"CDRHOOK_{uuid4()}"
        error = ""
        try:
            response = view(request)
        except Exception as raised:
            problem = problems.of(raised)
            error = _message(problem)
            response = _answer(problem, tracking_id)
        response.headers["trackingid"] = tracking_id
        # Answers hold calls: no cache on the way may keep them.
        response.headers["Cache-Control"] = "no-store"
        log.info(
            "partner.answered",
            tracking_id=tracking_id,
            path=request.path[:200],
            partner=_partner(request),
            status=response.status_code,
            error=error,
        )
        return response

    return answered


def _partner(request: HttpRequest) -> str:
    partner = getattr(getattr(request, "auth", None), "partner", None)
    return "" if partner is None else str(partner.pk)


def _answer(problem: Problem, tracking_id: str) -> HttpResponse:
    return JsonResponse(
        {
            "message": _message(problem),
            "errors": [{"description": text} for text in _descriptions(problem)],
            "trackingId": tracking_id,
        },
        status=problem.status,
        headers=problem.headers,
    )


def _message(problem: Problem) -> str:
    return " ".join(_descriptions(problem))


def _descriptions(problem: Problem) -> list[str]:
    """A sentence for each parameter at fault, else what there is to say at all."""
    sentences = [f"{error['field']} {error['message']}." for error in problem.errors]
    return sentences or [problem.detail]


@shaped
def no_such_path(_request: HttpRequest) -> HttpResponse:
    """What answers under `/v1/` where nothing else does."""
    raise problems.not_found()


@shaped
def _not_understood(_request: HttpRequest) -> HttpResponse:
    raise Problem(400, "The request cannot be understood.")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Django's handler400: for Webex' clients, for other programs, for people."""
    if request.path.startswith(PREFIX):
        return _not_understood(request)
    return problems.bad_request(request, exception)
