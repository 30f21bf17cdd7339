"""Calls by HTTP: handed over as JSON, and looked up with what became of them."""

import json
import re
from typing import Any, Final

from django.http import HttpResponse
from django.utils import timezone
from ninja import Router, Status
from pydantic import BaseModel

from dispatcher import tasks
from dispatcher.adapters import cdr_json
from dispatcher.adapters.base import UID_CHARS, UID_MAX_CHARS, BadCdr
from dispatcher.api import body
from dispatcher.api.auth import ApiRequest, Bearer, TenantName
from dispatcher.api.fates import fates
from dispatcher.api.problems import Problem, listed, not_found
from dispatcher.api.shapes import iso, uuid_in_path
from dispatcher.models import StoredCdr, Tenant
from dispatcher.payloads import encoding, flat
from dispatcher.pipeline.accept import accept
from dispatcher.values import CarriedCdr, Cdr

MAX_RECORDS: Final = 1000
_UID: Final = re.compile(f"{UID_CHARS}{{1,{UID_MAX_CHARS}}}")

router = Router(tags=["CDRs"])


class ErrorJson(BaseModel):
    """A field at fault."""

    field: str
    message: str


class RejectedJson(BaseModel):
    """A record of a list that was not taken; `index` counts from 0."""

    index: int
    errors: list[ErrorJson]


class TakenJson(BaseModel):
    """What became of the records of a request."""

    accepted: int
    duplicates: int
    rejected: list[RejectedJson]


_BODY: Final = {
    "requestBody": {
        "required": True,
        "description": 'One CDR, or `{"cdrs": [...]}` of 1 to 1,000; at most 5 MiB.',
        "content": {
            "application/json": {
                "schema": {
                    "anyOf": [
                        {"$ref": "#/components/schemas/Cdr"},
                        {
                            "type": "object",
                            "required": ["cdrs"],
                            "additionalProperties": False,
                            "properties": {
                                "cdrs": {
                                    "type": "array",
                                    "minItems": 1,
                                    "maxItems": MAX_RECORDS,
                                    "items": {"$ref": "#/components/schemas/Cdr"},
                                }
                            },
                        },
                    ]
                }
            }
        },
    }
}


@router.post(
    "/api/v1/cdrs",
    auth=Bearer("ingest"),
    response={202: TakenJson},
    openapi_extra=_BODY,
    summary="Hand over CDRs",
)
def take_cdrs(request: ApiRequest, tenant: TenantName = None) -> Status[dict[str, Any]]:
    """Answers 202 once the good records are committed; bad ones are named by index.

    The same uid with the same content is a duplicate. 422 when all records are bad.
    """
    owner = request.auth.tenant_named(tenant)
    records = _parsed(body.read_json(request))
    good = [record for record in records if isinstance(record, Cdr)]
    rejected = [
        {"index": index, "errors": listed(record.errors)}
        for index, record in enumerate(records)
        if isinstance(record, BadCdr)
    ]
    # Also where none is good: what is refused is counted.
    taken = accept(
        owner, good, source="api", now=timezone.now(), rejected=len(rejected)
    )
    if not good:
        raise _all_bad(rejected)
    tasks.wake_up(taken.wake)
    return Status(
        202,
        {
            "accepted": taken.accepted,
            "duplicates": taken.duplicates,
            "rejected": rejected,
        },
    )


def _parsed(raw: bytes) -> list[Cdr | BadCdr]:
    try:
        return cdr_json.parse_many(raw, limit=MAX_RECORDS)
    except cdr_json.MalformedJson as bad:
        raise _refused(400, "The body is not valid JSON.", bad) from None
    except cdr_json.TooMany as bad:
        raise _refused(413, f"A request takes {MAX_RECORDS} records.", bad) from None
    except BadCdr as bad:
        raise _refused(422, "The body is not as it should be.", bad) from None


def _refused(status: int, detail: str, bad: BadCdr) -> Problem:
    return Problem(status, detail, errors=listed(bad.errors))


def _all_bad(rejected: list[dict[str, Any]]) -> Problem:
    """422; of a list, each error tells the index of its record as well."""
    many = len(rejected) > 1
    errors = [
        {"index": record["index"], **error} if many else error
        for record in rejected
        for error in record["errors"]
    ]
    return Problem(422, "No record could be taken.", errors=errors)


@router.get(
    "/api/v1/cdrs/{uid}", auth=Bearer("read"), response=dict, summary="Look up a CDR"
)
def get_cdr(request: ApiRequest, uid: str, tenant: TenantName = None) -> dict[str, Any]:
    """The record, its revisions, and per webhook its deliveries or why there are none."""
    owner = request.auth.tenant_named(tenant)
    cdr = _stored(owner, uid=uid) if _UID.fullmatch(uid) else None
    if cdr is None:
        raise not_found()
    return {
        **json.loads(cdr.record),
        "id": str(cdr.pk),
        "accepted_at": iso(cdr.accepted_at),
        "revisions": [
            {
                "number": revision.number,
                "received_at": iso(revision.received_at),
                "record": json.loads(revision.record),
            }
            for revision in cdr.revisions.order_by("number")
        ],
        "webhooks": fates(cdr, own_only=request.auth.partner is None),
    }


@router.get(
    "/rest-api/cdr/{cdr_id}",
    auth=Bearer("read"),
    response=dict,
    summary="Look up a CDR by the cdr_id that was sent",
)
def get_flat_cdr(
    request: ApiRequest, cdr_id: str, tenant: TenantName = None
) -> HttpResponse:
    """One CDR in the flat style's 19 fields (newfies.txt)."""
    owner = request.auth.tenant_named(tenant)
    cdr = _stored(owner, pk=uuid_in_path(cdr_id))
    if cdr is None:
        raise not_found()
    carried = CarriedCdr(id=cdr.pk, cdr=cdr_json.load(cdr.record))
    # The payload's own encoder: a cost of 0.035 must stay 0.035.
    return HttpResponse(
        encoding.json_bytes(flat.fields(carried)), content_type=encoding.JSON_TYPE
    )


def _stored(owner: Tenant, **key: Any) -> StoredCdr | None:
    return StoredCdr.objects.filter(tenant=owner, **key).first()
