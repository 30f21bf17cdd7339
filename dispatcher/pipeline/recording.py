"""Links to recordings: makes them, and finds what one means.

A link stays valid as long as the recording is kept; a shorter life is a tenant's own
option, off by default. Its token names tenant and call and can be used for nothing else
(PAYLOADS: batch). Opens no recording, and never says why a link is good for nothing.
"""

from __future__ import annotations

import base64
import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote
from uuid import UUID

from django.conf import settings
from django.core import signing

from dispatcher.adapters import cdr_json
from dispatcher.models import StoredCdr

if TYPE_CHECKING:
    from dispatcher.models import Tenant
    from dispatcher.values import Cdr, Recording

PATH: Final = "/api/cdr/call-recording/"
SALT: Final = "cdrhook.recording"
# All that a uid has beside letters and digits may stand in a path (RFC 3986, pchar).
UID_PUNCTUATION: Final = ":@+"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A recording that a link means, wherever it may be."""

    tenant_external_id: str
    uid: str
    recording: Recording


def recording_url(tenant_id: UUID, cdr: Cdr) -> str:
    """The link to a CDR's recording (thehub.txt: recording_url); "" if it has none."""
    if not cdr.recordings:
        return ""
    path = PATH + quote(cdr.uid, safe=UID_PUNCTUATION)
    return f"{settings.PUBLIC_URL}{path}?token={_token(tenant_id, cdr.uid)}"


def find(uid: str, token: str, now: dt.datetime) -> Found | None:
    """The recording that a link means; None for every link that means none.

    The first of the newest record that has any: recordings often come later than the
    call.
    """
    verified = _verified(uid, token)
    if verified is None:
        return None
    tenant_id, made_at = verified
    cdr = (
        StoredCdr.objects.select_related("tenant")
        .filter(tenant_id=tenant_id, uid=uid)
        .first()
    )
    if cdr is None or _is_over(cdr.tenant, made_at, now):
        return None
    recording = _newest(cdr)
    if recording is None:
        return None
    return Found(
        tenant_external_id=cdr.tenant.external_id, uid=uid, recording=recording
    )


def _newest(cdr: StoredCdr) -> Recording | None:
    later = cdr.revisions.order_by("-number").values_list("record", flat=True)
    for record in (*later, cdr.record):
        recordings = cdr_json.load(record).recordings
        if recordings:
            return recordings[0]
    return None


def _is_over(tenant: Tenant, made_at: dt.datetime, now: dt.datetime) -> bool:
    hours = tenant.recording_link_hours
    return hours is not None and now - made_at >= dt.timedelta(hours=hours)


# Tokens ---------------------------------------------------------------------------
#
# `<tenant>.<time>.<signature>`, of which only the signature has to be guessed. Signed is
# `<tenant>.<uid>.<time>`: the uid stands in the path. A uid may hold dots, the other two
# never do, so that nothing can be moved from one part to another.


def _token(tenant_id: UUID, uid: str) -> str:
    name = base64.urlsafe_b64encode(tenant_id.bytes).rstrip(b"=").decode()
    signed = signing.TimestampSigner(salt=SALT, sep=".").sign(f"{name}.{uid}")
    return name + signed.removeprefix(f"{name}.{uid}")


def _verified(uid: str, token: str) -> tuple[UUID, dt.datetime] | None:
    """The tenant that a token names and when it was made; None: it is not for `uid`."""
    parts = token.split(".")
    if len(parts) != 3 or not (uid + token).isascii():
        return None
    name, made_at, signature = parts
    try:
        # The base class, because the other one reads a clock of its own.
        signing.Signer(salt=SALT, sep=".").unsign(f"{name}.{uid}.{made_at}.{signature}")
    except signing.BadSignature:
        return None
    # What was signed by us is well formed.
    tenant_id = UUID(bytes=base64.urlsafe_b64decode(f"{name}=="))
    return tenant_id, dt.datetime.fromtimestamp(signing.b62_decode(made_at), dt.UTC)
