"""The paths of the HTTP interface, exactly as they are documented.

`/api/v1/docs` and `/api/v1/openapi.json` describe them; both need no network.
"""

from typing import Any, Final

from django.urls import URLPattern, path, re_path
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI
from ninja.openapi.docs import Swagger
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation
from pydantic import BaseModel, TypeAdapter

from dispatcher.api import (
    balance,
    body,
    cdrs,
    deliveries,
    erasures,
    health,
    ingest,
    partners,
    problems,
    recordings,
    replays,
    webhooks,
)
from dispatcher.values import Cdr


class _Described(NinjaAPI):
    """Describes what ninja cannot know: raw bodies, and problems as every error."""

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """The OpenAPI document."""
        document = super().get_openapi_schema(**options)
        document["components"]["schemas"] |= _schemas()
        for methods in document["paths"].values():
            for operation in methods.values():
                operation["responses"]["default"] = _PROBLEM
        document["paths"] |= partners.PATHS
        return document

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """Names that a generated client can live with: those of our functions."""
        return operation.view_func.__name__


_PROBLEM: Final = {
    "description": "A problem document (RFC 9457)",
    "content": {
        problems.CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}
    },
}


class ProblemJson(BaseModel):
    """What every error is answered with; `errors` where fields are at fault."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[cdrs.ErrorJson] = []


def _schemas() -> dict[str, Any]:
    """The CDR and the problem document, with their parts, as OpenAPI components."""
    schemas: dict[str, Any] = {}
    for name, shape in (("Cdr", Cdr), ("Problem", ProblemJson)):
        schema = TypeAdapter(shape).json_schema(
            ref_template="#/components/schemas/{model}"
        )
        schemas |= {**schema.pop("$defs", {}), name: schema}
    return schemas


api = _Described(
    title="cdrhook",
    version="1",
    description="Sends call detail records (CDRs) to webhooks. Errors are problem"
    " documents (RFC 9457). Scopes of tokens: ingest, read, manage.",
    openapi_url="/api/v1/openapi.json",
    docs_url="/api/v1/docs",
    docs=Swagger(settings={"persistAuthorization": True}),
    urls_namespace="api",
)
problems.register(api)
for module in (
    cdrs,
    ingest,
    webhooks,
    replays,
    deliveries,
    erasures,
    balance,
    recordings,
    health,
):
    api.add_router("", module.router)

_patterns, _, _namespace = api.urls
for pattern in _patterns:
    if isinstance(pattern, URLPattern):
        pattern.callback = body.drained(problems.with_problems(pattern.callback))

urlpatterns = [
    path("", (_patterns, "ninja", _namespace)),
    *partners.urlpatterns,
    # Last: what is under these paths and nothing else answers for.
    re_path(
        r"^(?:api|ingest|rest-api)(?:/|$)",
        csrf_exempt(body.drained(problems.no_such_path)),
    ),
]
