"""The paths of the HTTP interface, exactly as they are documented.

`/api/v1/docs` and `/api/v1/openapi.json` describe them; both need no network.
"""

from typing import Any

from django.urls import URLPattern, path, re_path
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI
from ninja.openapi.docs import Swagger
from pydantic import TypeAdapter

from dispatcher.api import cdrs, deliveries, health, ingest, problems, webhooks
from dispatcher.values import Cdr


def _schemas() -> dict[str, Any]:
    """The CDR and its parts as OpenAPI components."""
    schema = TypeAdapter(Cdr).json_schema(
        ref_template="#/components/schemas/{model}", by_alias=False
    )
    return {**schema.pop("$defs"), "Cdr": schema}


api = NinjaAPI(
    title="cdrhook",
    version="1",
    description="Sends call detail records (CDRs) to webhooks. Errors are problem"
    " documents (RFC 9457). Scopes of tokens: ingest, read, manage.",
    openapi_url="/api/v1/openapi.json",
    docs_url="/api/v1/docs",
    docs=Swagger(settings={"persistAuthorization": True}),
    urls_namespace="api",
    openapi_extra={"components": {"schemas": _schemas()}},
)
problems.register(api)
for module in (cdrs, ingest, webhooks, deliveries, health):
    api.add_router("", module.router)

_patterns, _, _namespace = api.urls
for pattern in _patterns:
    if isinstance(pattern, URLPattern):
        pattern.callback = problems.with_problems(pattern.callback)

urlpatterns = [
    path("", (_patterns, "ninja", _namespace)),
    # Last: what is under these paths and nothing else answers for.
    re_path(r"^(?:api|ingest|rest-api)(?:/|$)", csrf_exempt(problems.no_such_path)),
]
