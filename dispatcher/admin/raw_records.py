"""What a PBX sent of a call, beside what was made of it: shown, and downloaded.

Bytes are shown as text where they are printable, else in hex; templates escape both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse

from dispatcher.admin.moments import absolute
from dispatcher.admin.readable import SHOWN_TEXT, hex_view, is_text, json_text, text
from dispatcher.admin.readonly import page_of
from dispatcher.models import CallLeg, CdrRevision, RawRecord, StoredCdr
from dispatcher.models.source import unpacked

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from dispatcher.admin.readonly import ReadOnlyAdmin

    Found = Callable[..., bytes | None]


def shown(body: bytes, download: str) -> dict[str, Any]:
    """The first 64 KB as people read them, how many there are, and where all are."""
    readable = is_text(body)
    return {
        "text": text(body) if readable else hex_view(body, SHOWN_TEXT),
        "is_text": readable,
        "length": len(body),
        "download": download,
    }


def of_cdr(cdr: StoredCdr) -> dict[str, Any] | None:
    """What its record was read from, and the source; None: nothing but the record."""
    raw = RawRecord.objects.filter(cdr=cdr).select_related("source__tenant").first()
    if raw is None:
        return None
    address = reverse("admin:dispatcher_storedcdr_raw", args=[cdr.pk])
    return {
        **shown(raw.body, address),
        "source": raw.source,
        "source_page": page_of(raw.source),
    }


def of_revision(revision: CdrRevision) -> dict[str, Any] | None:
    """What other content was read from."""
    if revision.packed is None:
        return None
    address = reverse(
        "admin:dispatcher_storedcdr_raw_revision",
        args=[revision.cdr_id, revision.number],
    )
    return shown(unpacked(bytes(revision.packed)), address)


def legs_of(cdr: StoredCdr) -> list[dict[str, Any]]:
    """The legs that the call was joined of, each with what it was read from."""
    return [
        {
            "uid": leg.uid,
            "received": absolute(leg.received_at),
            "record": json_text(leg.record),
            "raw": shown(
                unpacked(bytes(leg.packed)),
                reverse("admin:dispatcher_storedcdr_raw_leg", args=[cdr.pk, leg.pk]),
            ),
        }
        for leg in CallLeg.objects.filter(cdr=cdr).order_by("pk")
    ]


# Downloads ----------------------------------------------------------------------------


def patterns(page: ReadOnlyAdmin) -> list[URLPattern]:
    """The addresses of the bytes, below that of their call's page."""
    return [
        path(
            f"<uuid:cdr_id>/{address}/",
            page.admin_site.admin_view(_download(page, found)),
            name=f"dispatcher_storedcdr_{name}",
        )
        for address, name, found in (
            ("raw", "raw", _raw),
            ("raw/<int:number>", "raw_revision", _raw_of_revision),
            ("leg/<uuid:leg_id>", "raw_leg", _raw_of_leg),
        )
    ]


def _download(page: ReadOnlyAdmin, found: Found) -> Any:
    """The bytes exactly as they came, never as something a browser would run."""

    def view(request: HttpRequest, cdr_id: UUID, **which: Any) -> HttpResponse:
        if not page.has_view_permission(request):
            raise PermissionDenied
        cdr = page.get_page_queryset(request).filter(pk=cdr_id).first()
        body = None if cdr is None else found(cdr, **which)
        if body is None:
            raise Http404
        name = "-".join(map(str, [cdr.source, cdr_id, *which.values()]))
        return HttpResponse(
            body,
            content_type="application/octet-stream",
            headers={"Content-Disposition": f'attachment; filename="{_safe(name)}"'},
        )

    return view


def _safe(name: str) -> str:
    kept = (char if char.isalnum() and char.isascii() else "-" for char in name)
    return f"{''.join(kept)}.bin"


def _raw(cdr: StoredCdr) -> bytes | None:
    raw = RawRecord.objects.filter(cdr=cdr).first()
    return None if raw is None else raw.body


def _raw_of_revision(cdr: StoredCdr, number: int) -> bytes | None:
    revision = cdr.revisions.filter(number=number, packed__isnull=False).first()
    return None if revision is None else unpacked(bytes(revision.packed or b""))


def _raw_of_leg(cdr: StoredCdr, leg_id: UUID) -> bytes | None:
    leg = CallLeg.objects.filter(cdr=cdr, pk=leg_id).first()
    return None if leg is None else unpacked(bytes(leg.packed))
