"""Every error of the HTTP interface as a problem document (RFC 9457).

Says nothing that depends on the path that was asked for, so that what is foreign and
what is unknown get the same bytes. Never shows a traceback.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

import structlog
from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError, IntegrityError, InterfaceError
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    JsonResponse,
    UnreadablePostError,
)
from django.http.response import HttpResponseBase
from django.views import defaults
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from dispatcher.models.encryption import UndecryptableError
from dispatcher.pipeline.accept import OutcomeUnknown, StorageUnavailable
from dispatcher.pipeline.subscribe import InUseError, RefusedError
from dispatcher.pipeline.test_call import TooManyTestsError
from dispatcher.values import FieldError

log = structlog.get_logger(__name__)

CONTENT_TYPE: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = 5
# What belongs to programs; every other path belongs to people and their browsers.
API_PATHS: Final = ("/api/", "/ingest/", "/rest-api/")
CHALLENGE: Final = 'Bearer realm="cdrhook"'
# PBXs that only know Basic wait to be asked for it.
INGEST_CHALLENGE: Final = f'{CHALLENGE}, Basic realm="cdrhook"'

_MESSAGES: Final = {
    "extra_forbidden": "unknown field",
    "missing": "required",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
}


class Problem(Exception):  # noqa: N818  RFC 9457's own word
    """An answer that is an error; `errors` are the fields at fault, if any are.

    `outcome` is "unknown" where what was asked for may have been done all the same.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Iterable[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
        outcome: str = "",
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})
        self.outcome = outcome


def not_found() -> Problem:
    """The one 404, the same for what is foreign and what there is not."""
    return Problem(404, "There is no such thing, or it is not yours.")


def at_fault(field: str, message: str) -> Problem:
    """422 for one field."""
    return Problem(
        422,
        "The request is understood, but a field is at fault.",
        errors=listed([FieldError(field, message)]),
    )


def listed(errors: Iterable[FieldError]) -> list[dict[str, Any]]:
    """Field errors as `errors` of a problem document holds them."""
    return [{"field": error.field, "message": error.message} for error in errors]


def answer(problem: Problem) -> HttpResponse:
    """The problem document of a problem."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
    }
    if problem.errors:
        body["errors"] = problem.errors
    if problem.outcome:
        body["outcome"] = problem.outcome
    return JsonResponse(
        body,
        status=problem.status,
        content_type=CONTENT_TYPE,
        headers=problem.headers,
    )


# Of the API -------------------------------------------------------------------------


def register(api: NinjaAPI) -> None:
    """Has every exception of the API's operations answered by a problem document."""
    for kind, translate in _TRANSLATIONS.items():
        api.add_exception_handler(kind, functools.partial(_answered, translate))


def _answered(
    translate: Callable[[Any], Problem], request: HttpRequest, error: Any
) -> HttpResponse:
    problem = translate(error)
    if problem.status == HTTPStatus.UNAUTHORIZED and request.path.startswith("/ingest"):
        problem.headers["WWW-Authenticate"] = INGEST_CHALLENGE
    return answer(problem)


def _of_http_error(error: HttpError) -> Problem:
    return Problem(error.status_code, error.message)


def _of_validation(error: ValidationError) -> Problem:
    errors = [
        {"field": _field(one["loc"]), "message": _message(one)} for one in error.errors
    ]
    return Problem(
        422, "The request is understood, but fields are at fault.", errors=errors
    )


def _field(location: tuple[int | str, ...]) -> str:
    """A dotted path as the caller knows it: without `body` and our parameter's name."""
    source, *path = location
    # ninja leaves our parameter's name in before an item of a list in the query.
    if len(path) > {"body": 1, "query": 2}.get(str(source), len(path)):
        path = path[1:]
    # pydantic names the alternatives of a union, which no caller knows of.
    known = [str(part) for part in path if "[" not in str(part)]
    return ".".join(known) or str(source)


def _message(error: Mapping[str, Any]) -> str:
    return _MESSAGES.get(error["type"]) or str(error["msg"])


def _of_refused(error: RefusedError) -> Problem:
    return Problem(422, "The webhook may not be saved so.", errors=listed(error.errors))


def _of_storage(error: Exception) -> Problem:
    # Its first line: details quote what could not be stored.
    told = str(error).partition("\n")[0]
    log.warning("api.storage_unavailable", error=told[:200])
    return _storage(
        "The database does not answer just now. Nothing was stored; try again."
    )


def _of_unknown(_: OutcomeUnknown) -> Problem:
    return _storage(
        "The database went away before it said whether all of this is stored or"
        " nothing. Send it again: what is known already is not taken twice.",
        outcome="unknown",
    )


def _storage(detail: str, outcome: str = "") -> Problem:
    after = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return Problem(503, detail, headers=after, outcome=outcome)


def _of_anything(error: Exception) -> Problem:
    log.error("api.failed", exc_info=error)
    return Problem(500, "Something is wrong on our side; it was written to the log.")


_TRANSLATIONS: Final[dict[type[Exception], Callable[[Any], Problem]]] = {
    Problem: lambda problem: problem,
    HttpError: _of_http_error,
    AuthenticationError: lambda _: Problem(
        401,
        "A valid bearer token is needed.",
        headers={"WWW-Authenticate": CHALLENGE},
    ),
    ValidationError: _of_validation,
    Http404: lambda _: not_found(),
    RequestDataTooBig: lambda _: Problem(413, "The body is larger than is accepted."),
    UnreadablePostError: lambda _: Problem(400, "The body ended before its time."),
    RefusedError: _of_refused,
    InUseError: lambda error: Problem(409, f"{error}."),
    UndecryptableError: lambda _: Problem(
        409,
        "A secret of it cannot be decrypted any more. Set it anew, or have the operator"
        " put the former encryption key back.",
    ),
    TooManyTestsError: lambda _: Problem(
        503,
        "Too many test calls are under way just now; try again.",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    ),
    StorageUnavailable: _of_storage,
    OutcomeUnknown: _of_unknown,
    DatabaseError: _of_storage,
    InterfaceError: _of_storage,
    # A rule of ours that was broken: trying again will not mend it.
    IntegrityError: _of_anything,
    Exception: _of_anything,
}


def of(error: Exception) -> Problem:
    """What an exception is answered with, for those who shape their errors themselves."""
    kinds = (kind for kind in type(error).__mro__ if kind in _TRANSLATIONS)
    return _TRANSLATIONS[next(kinds)](error)


# Of everything else that answers for a path -----------------------------------------


def with_problems(
    view: Callable[..., HttpResponseBase],
) -> Callable[..., HttpResponseBase]:
    """A view whose "method not allowed" is a problem document too."""

    @functools.wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        if isinstance(response, HttpResponseNotAllowed):
            allowed = ", ".join(sorted(response["Allow"].split(", ")))
            detail = f"This path takes {allowed}."
            response = answer(Problem(405, detail, headers={"Allow": allowed}))
        # Answers hold calls and secrets: no cache on the way may keep them.
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return answered


def no_such_path(_request: HttpRequest) -> HttpResponse:
    """What answers under the API's paths where nothing else does."""
    return answer(not_found())


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400, as a problem document for programs."""
    if request.path.startswith(API_PATHS):
        return answer(Problem(400, "The request cannot be understood."))
    return defaults.bad_request(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500, as a problem document for programs."""
    if request.path.startswith(API_PATHS):
        return answer(
            Problem(500, "Something is wrong on our side; it was written to the log.")
        )
    return defaults.server_error(request)
