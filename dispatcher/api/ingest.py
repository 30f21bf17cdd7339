"""Where PBXs hand over their calls, each in its own form.

Answers 202 once the bytes are safe, whether they could be decoded or not. Decodes
nothing itself.
"""

from typing import Any, Final

from django.utils import timezone
from ninja import Router, Status
from pydantic import BaseModel

from dispatcher import tasks
from dispatcher.adapters.registry import adapter
from dispatcher.api import body
from dispatcher.api.auth import EXTERNAL_ID, ApiRequest, Bearer, TokenAsPassword
from dispatcher.api.problems import Problem, not_found
from dispatcher.client_address import client_address
from dispatcher.models import Source, Tenant
from dispatcher.pipeline.ingest import Origin, ingest

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
    "response": {202: IngestedJson},
    "openapi_extra": _BODY,
}


@router.post(
    "/ingest/{pbx}/{tenant}", **_HANDED_OVER, summary="Hand over what a PBX sends"
)
def take_from_pbx(request: ApiRequest, pbx: str, tenant: str) -> Status[dict[str, Any]]:
    """Keeps what cannot be decoded in quarantine, byte for byte."""
    return _take(request, pbx, tenant, None)


@router.post(
    "/ingest/{pbx}/{tenant}/{source}",
    **_HANDED_OVER,
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
    if adapter(pbx) is None:
        raise not_found()
    source = _source_of(request, owner, pbx, name)
    origin = Origin(
        pbx,
        source,
        content_type=request.META.get("CONTENT_TYPE", ""),
        query=request.META.get("QUERY_STRING", ""),
        headers={key.lower(): value for key, value in request.headers.items()},
        sender=client_address(request),
    )
    taken = ingest(owner, body.read(request), origin, now=timezone.now())
    tasks.wake_up(taken.wake)
    return Status(
        202,
        {
            "accepted": taken.accepted,
            "duplicates": taken.duplicates,
            "quarantined": taken.quarantined,
        },
    )


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
