"""Where PBXs hand over their calls, each in its own form.

Answers 202 once the bytes are safe, whether they could be decoded or not. Decodes
nothing itself.
"""

from typing import Any

from django.utils import timezone
from ninja import Router, Status
from pydantic import BaseModel

from dispatcher import tasks
from dispatcher.adapters.registry import adapter
from dispatcher.api import body
from dispatcher.api.auth import ApiRequest, Bearer, TokenAsPassword
from dispatcher.api.problems import not_found
from dispatcher.client_address import client_address
from dispatcher.pipeline.accept import ingest

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


@router.post(
    "/ingest/{pbx}/{tenant}",
    auth=[Bearer("ingest"), TokenAsPassword("ingest")],
    response={202: IngestedJson},
    openapi_extra=_BODY,
    summary="Hand over what a PBX sends",
)
def take_from_pbx(request: ApiRequest, pbx: str, tenant: str) -> Status[dict[str, Any]]:
    """Keeps what cannot be decoded in quarantine, byte for byte."""
    owner = request.auth.tenant_named(tenant)
    if adapter(pbx) is None:
        raise not_found()
    taken = ingest(
        owner,
        pbx,
        body.read(request),
        content_type=request.META.get("CONTENT_TYPE", ""),
        query=request.META.get("QUERY_STRING", ""),
        sender=client_address(request),
        now=timezone.now(),
    )
    tasks.wake_up(taken.wake)
    return Status(
        202,
        {
            "accepted": taken.accepted,
            "duplicates": taken.duplicates,
            "quarantined": taken.quarantined,
        },
    )
