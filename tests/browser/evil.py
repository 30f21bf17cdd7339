"""A world in which every text that can come from outside tries to run a script."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth.models import User
from django.db.models import CharField, TextField
from django.utils import timezone

from dispatcher.models import (
    ApiToken,
    Attempt,
    AuditEntry,
    CallSummary,
    CdrRevision,
    Delivery,
    Integration,
    Notice,
    OwedCdr,
    Partner,
    QuarantinedRecord,
    RawRecord,
    Replay,
    Source,
    StoredCdr,
    Tenant,
    Webhook,
)
from dispatcher.models.encryption import EncryptedTextField
from dispatcher.models.source import packed

# As short as it can be, for short columns; the rest for longer ones.
MARK = "onerror=ran"
SHORT = f'"><img src=x: {MARK}++>'
EVIL = (
    f"{SHORT}</textarea></title></script><script>ran++;alert(1)</script>"
    "<div x-data x-init='ran++'>{{ran}}</div><a href='javascript:ran++'>'\"`${ran}"
)


def make(model: type[Any], **given: Any) -> Any:
    """A row whose texts, but for those that are given, are all evil."""
    texts = {
        field.name: _evil(field.max_length or len(EVIL))
        for field in model._meta.concrete_fields
        if isinstance(field, CharField | TextField)
        and not isinstance(field, EncryptedTextField)
        and not field.choices
        and (field.max_length or len(EVIL)) >= len(SHORT)
    }
    return model.objects.create(**{**texts, **given})


def _evil(max_chars: int) -> str:
    return EVIL if max_chars >= len(EVIL) else SHORT


def make_evil_world() -> None:
    """One of everything that the admin shows."""
    now = timezone.now()
    partner = make(Partner)
    tenant = make(Tenant, external_id="acme", partner=partner, time_zone="UTC")
    cdr = _call(tenant)
    webhook = make(
        Webhook,
        tenant=tenant,
        style="envelope",
        lane="fast",
        secret="hush",
        also_accept="",
    )
    make_parts(webhook)
    delivery = make(
        Delivery,
        webhook=webhook,
        tenant=tenant,
        state="failed",
        created_at=now,
        ended_at=now,
        call_end=now,
        test_uid="",
        attempt_count=1,
        request_body=json.dumps({"cdr": {"cliName": EVIL}}).encode(),
        last_error_class="status",
    )
    make(OwedCdr, webhook=webhook, cdr=cdr, delivery=delivery, left_out="")
    make(
        Attempt,
        delivery=delivery,
        number=1,
        started_at=now,
        ended_at=now,
        duration_ms=47,
        status_code=503,
        error_class="status",
        address="203.0.113.7",
        response_headers=[[EVIL, EVIL], ["server", EVIL]],
        response_body=EVIL.encode() + b"\xff",
    )
    source = make(
        Source,
        tenant=tenant,
        silent_since=now,
        time_zone="UTC",
        allowed_networks="",
        directions=[{"field": EVIL, "op": EVIL, "value": EVIL, "direction": EVIL}],
    )
    RawRecord.objects.create(cdr=cdr, source=source, packed=packed(EVIL.encode()))
    make(
        CdrRevision,
        cdr=cdr,
        number=1,
        received_at=now,
        record=json.dumps({"uid": EVIL}),
        packed=packed(EVIL.encode() + b"\xff"),
    )
    make(Notice, source=source, happened_at=now, details={EVIL: EVIL}, kind="silent")
    make(
        QuarantinedRecord,
        tenant=tenant,
        from_source=source,
        body=EVIL.encode() + b"\x00",
        first_seen_at=now,
        last_seen_at=now,
    )
    user = User.objects.create(username=SHORT, first_name=SHORT, last_name=SHORT)
    make(Integration, tenant=tenant, user=user, notice_at=now)
    make(
        CallSummary,
        tenant=tenant,
        cdr=cdr,
        state="failed",
        created_at=now,
        ended_at=now,
    )
    make(ApiToken, tenant=tenant, digest="d", hint="1a2b", can_read=True)
    make(AuditEntry, at=now, tenant=tenant, changes={EVIL: [EVIL, {EVIL: EVIL}]})
    make(Notice, webhook=webhook, happened_at=now, details={EVIL: EVIL, "url": EVIL})
    make(
        Replay,
        webhook=webhook,
        since=now,
        until=now,
        created_at=now,
        next_step_at=now,
    )


def make_parts(webhook: Webhook) -> None:
    """Filters, custom data and headers."""
    for part in ("filters", "custom_data", "headers"):
        rows: Any = getattr(webhook, part)
        make(rows.model, webhook=webhook)


def _call(tenant: Tenant) -> StoredCdr:
    now = timezone.now()
    record = {
        "uid": "call-1",
        "started_at": now.isoformat(),
        "caller": {"number": EVIL[:64], "name": EVIL, "country": "GB"},
        "dialed": {"number": EVIL[:64], "name": EVIL},
        "tags": {EVIL: EVIL},
    }
    row: StoredCdr = make(
        StoredCdr,
        tenant=tenant,
        uid="call-1",
        record=json.dumps(record),
        content_hash="1",
        started_at=now,
        call_end=now,
        accepted_at=now,
    )
    return row
