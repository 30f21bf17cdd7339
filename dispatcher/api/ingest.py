"""Where PBXs hand over their calls, each in its own form.

Answers 202 once the bytes are safe, whether they could be decoded or not; 200 to PBXs
that take nothing else for success (adapters.base.OwnHttp). Decodes nothing itself.
"""

from typing import Any, Final

import structlog
from django.utils import timezone
from ninja import Router, Status
from pydantic import BaseModel

from dispatcher import tasks
from dispatcher.adapters.base import Adapter, OwnHttp, WrongSignature
from dispatcher.adapters.registry import adapter
from dispatcher.api import body
from dispatcher.api.auth import EXTERNAL_ID, ApiRequest, Bearer, TokenAsPassword
from dispatcher.api.problems import Problem, not_found
from dispatcher.client_address import client_address
from dispatcher.models import Source, Tenant
from dispatcher.pipeline.ingest import Ingested, Origin, ingest

log = structlog.get_logger(__name__)

router = Router(tags=["PBX adapters"])

_BODY = {
    "requestBody": {
        "required": True,
        "description": "What the PBX sends, at most 5 MiB.",
        "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class IngestedJson(BaseModel):
    """What became of a PBX's request."""

    accepted: int
    duplicates: int
    quarantined: int


_HANDED_OVER: Final[dict[str, Any]] = {
    "auth": [Bearer("ingest"), TokenAsPassword("ingest")],
    "response": {200: IngestedJson, 202: IngestedJson},
}
# For the PBXs that know these only; not in the schema, for others have no use for them.
_ELSE: Final[dict[str, Any]] = {
    "methods": ["GET", "PUT"],
    **_HANDED_OVER,
    "include_in_schema": False,
}
_POST: Final = frozenset({"POST"})
_ONE, _OF_SEVERAL = "/ingest/{pbx}/{tenant}", "/ingest/{pbx}/{tenant}/{source}"


@router.api_operation(path=_ONE, **_ELSE)
@router.post(
    _ONE,
    **_HANDED_OVER,
    openapi_extra=_BODY,
    summary="Hand over what a PBX sends",
)
def take_from_pbx(request: ApiRequest, pbx: str, tenant: str) -> Status[dict[str, Any]]:
    """Keeps what cannot be decoded in quarantine, byte for byte."""
    return _take(request, pbx, tenant, None)


@router.api_operation(path=_OF_SEVERAL, **_ELSE)
@router.post(
    _OF_SEVERAL,
    **_HANDED_OVER,
    openapi_extra=_BODY,
    summary="Hand over what one of several PBXs sends",
)
def take_from_source(
    request: ApiRequest, pbx: str, tenant: str, source: str
) -> Status[dict[str, Any]]:
    """As above, understood by the settings of that source."""
    return _take(request, pbx, tenant, source)


def _take(
    request: ApiRequest, pbx: str, tenant: str, name: str | None
) -> Status[dict[str, Any]]:
    owner = request.auth.tenant_named(tenant)
    found = adapter(pbx)
    if found is None:
        raise not_found()
    source = _source_of(request, owner, pbx, name)
    _check_method(request, found)
    headers = {key.lower(): value for key, value in request.headers.items()}
    origin = Origin(
        pbx,
        source,
        content_type=request.META.get("CONTENT_TYPE", ""),
        query=request.META.get("QUERY_STRING", ""),
        headers=headers,
        sender=client_address(request),
    )
    taken = _ingest(owner, body.read(request), origin)
    tasks.wake_up(taken.wake)
    status = found.success_status(headers) if isinstance(found, OwnHttp) else 202
    return Status(
        status,
        {
            "accepted": taken.accepted,
            "duplicates": taken.duplicates,
            "quarantined": taken.quarantined,
        },
    )


def _check_method(request: ApiRequest, found: Adapter) -> None:
    """Problem 405 for a method that this PBX's records do not come by."""
    methods = found.methods if isinstance(found, OwnHttp) else _POST
    if request.method not in methods:
        allowed = ", ".join(sorted(methods))
        raise Problem(405, f"This path takes {allowed}.", headers={"Allow": allowed})


def _ingest(owner: Tenant, content: bytes, origin: Origin) -> Ingested:
    """Problem 401 where the PBX did not sign it: nothing of it is kept."""
    try:
        return ingest(owner, content, origin, now=timezone.now())
    except WrongSignature as refused:
        log.info(
            "ingest.wrong_signature",
            tenant=owner.external_id,
            source=str(origin.source),
            sender=origin.sender,
        )
        raise Problem(401, str(refused)) from None


def _source_of(
    request: ApiRequest, tenant: Tenant, pbx: str, name: str | None
) -> Source | None:
    """The source that the path or the token means, if any. Raises Problem.

    Of a token that is a source's, the path may leave out which; it may name no other.
    """
    own = request.auth.source
    source = own if own is not None else _named(tenant, name)
    if source is None:
        return None
    if source.pbx != pbx or name not in (None, source.name):
        raise not_found()
    if not source.active:
        raise Problem(403, "The source is switched off.")
    if not source.admits(client_address(request)):
        raise Problem(403, "The source takes nothing from this address.")
    return source


def _named(tenant: Tenant, name: str | None) -> Source | None:
    if name is None:
        return None
    source = None
    if EXTERNAL_ID.fullmatch(name):
        source = Source.objects.filter(tenant=tenant, name=name).first()
    if source is None:
        raise not_found()
    return source
