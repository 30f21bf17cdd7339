"""CDRs as they were accepted, what webhooks are owed of them, and the quarantine."""

from __future__ import annotations

import hashlib
from types import MappingProxyType
from typing import ClassVar, Final

from django.db import models
from django.db.models import Q

from dispatcher.models.delivery import Delivery
from dispatcher.models.ids import uuid7
from dispatcher.models.tenancy import Tenant
from dispatcher.models.webhook import Webhook


class StoredCdr(models.Model):
    """A CDR in the form that `POST /api/v1/cdrs` takes, once a (tenant, uid).

    `record` is canonical JSON (adapters.cdr_json); the other columns are copies for
    ordering, searching and the admin.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(
        Tenant,
        on_delete=models.CASCADE,
        related_name="cdrs",
        db_index=False,  # cdr_newest begins with it
    )
    uid = models.CharField(max_length=200)
    source = models.CharField(max_length=32)
    record = models.TextField()
    content_hash = models.CharField(max_length=64)
    started_at = models.DateTimeField()
    # ended_at, else started_at + duration, else when it was accepted (PAYLOADS: feed).
    call_end = models.DateTimeField()
    caller_number = models.CharField(max_length=64, blank=True)
    dialed_number = models.CharField(max_length=64, blank=True)
    direction = models.CharField(max_length=8, blank=True)
    disposition = models.CharField(max_length=10, blank=True)
    duration = models.PositiveIntegerField(null=True)
    accepted_at = models.DateTimeField()

    class Meta:
        """Table options."""

        verbose_name = "CDR"
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            # Idempotent ingest; GET /api/v1/cdrs/{uid}. The uid first: it is searched
            # for without knowing the tenant, too.
            models.UniqueConstraint(fields=["uid", "tenant"], name="cdr_uid_once"),
        ]
        indexes: ClassVar = [
            # The admin's CDR page of one tenant, newest first.
            models.Index(fields=["tenant", "id"], name="cdr_newest"),
            # Reconciliation: a tenant's calls that ended in a range.
            models.Index(fields=["tenant", "call_end", "id"], name="cdr_call_end"),
            # Search for a number without knowing the tenant.
            models.Index(fields=["caller_number"], name="cdr_caller"),
            models.Index(fields=["dialed_number"], name="cdr_dialed"),
        ]

    def __str__(self) -> str:
        return self.uid


class CdrRevision(models.Model):
    """Other content that came later under the uid of a known CDR."""

    cdr = models.ForeignKey(
        StoredCdr,
        on_delete=models.CASCADE,
        related_name="revisions",
        db_index=False,  # see revision_number below
    )
    number = models.PositiveIntegerField(help_text="1-indexed; the first record is 0.")
    record = models.TextField()
    content_hash = models.CharField(max_length=64)
    received_at = models.DateTimeField()
    # As models.source.packed gives it; null where it came in cdrhook's own form.
    packed = models.BinaryField(null=True)

    class Meta:
        """Table options."""

        verbose_name = "revision"
        ordering: ClassVar = ["cdr", "number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["cdr", "number"], name="revision_number"),
            models.UniqueConstraint(
                fields=["cdr", "content_hash"], name="revision_content_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.cdr_id} revision {self.number}"


class OwedCdr(models.Model):
    """A CDR that a webhook is owed, and the delivery that carries it.

    `delivery` is null until the CDR is bundled; `revision` 0 is the record as first
    accepted. What is owed of it is the record, or what was said in it.
    """

    CDR, CALL_SUMMARY = "cdr", "call_summary"
    # Why one is left out: it came too late for a feed that wants no late records, or
    # its webhook was deleted.
    LATE, DELETED = "late", "deleted"
    # Its delivery was purged, and had ended in that state.
    PURGED: ClassVar = {
        Delivery.DELIVERED: "was_delivered",
        Delivery.FAILED: "was_failed",
        Delivery.CANCELLED: "was_cancelled",
    }

    webhook = models.ForeignKey(
        Webhook,
        on_delete=models.CASCADE,
        related_name="owed",
        db_index=False,  # see owed_for_a_batch below
    )
    cdr = models.ForeignKey(
        StoredCdr,
        on_delete=models.CASCADE,
        related_name="owed",
        db_index=False,  # owed_once begins with it
    )
    revision = models.PositiveIntegerField(default=0)
    delivery = models.ForeignKey(
        Delivery,
        on_delete=models.CASCADE,
        null=True,
        related_name="carried",
        db_index=False,  # see owed_carried below
    )
    kind = models.CharField(max_length=12, default=CDR)
    # Of those that are bundled: since when it is owed, and when the call ended.
    owed_at = models.DateTimeField(null=True)
    call_end = models.DateTimeField(null=True)
    # Why no delivery is to carry it, or what became of the one that did.
    left_out = models.CharField(max_length=16, blank=True, default="")

    class Meta:
        """Table options."""

        verbose_name = "owed CDR"
        constraints: ClassVar = [
            # However often a CDR is handed over, a webhook gets it once.
            models.UniqueConstraint(
                fields=["cdr", "webhook", "revision", "kind"], name="owed_once"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["cdr", "call_summary"]), name="owed_kind_known"
            ),
        ]
        indexes: ClassVar = [
            # What a delivery carries. Without those that none carries: SQLite would
            # look for them here, among all webhooks'.
            models.Index(
                fields=["delivery"],
                condition=Q(delivery__isnull=False),
                name="owed_carried",
            ),
            # The bundling of a batch: a webhook's oldest that no delivery carries.
            models.Index(
                fields=["webhook", "kind", "owed_at", "id"],
                condition=Q(delivery__isnull=True, left_out=""),
                name="owed_for_a_batch",
            ),
            # The bundling of a feed: a webhook's, by the window that they belong to.
            models.Index(
                fields=["webhook", "call_end", "id"],
                condition=Q(delivery__isnull=True, left_out=""),
                name="owed_for_a_window",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.cdr_id} for {self.webhook_id}"

    @staticmethod
    def unbundled() -> Q:
        """Owed, and no delivery carries it yet: what the partial indexes above hold."""
        return Q(delivery__isnull=True, left_out="")

    @property
    def why_not_carried(self) -> str:
        """Why no delivery carries it, as a clause; "" where one does. Reads its webhook."""
        if self.delivery_id is not None:
            return ""
        if self.left_out in _WHAT_BECAME:
            return _WHAT_BECAME[self.left_out]
        if self.left_out == self.LATE:
            return (
                "it came after its window had been sent, and late records are not sent"
            )
        if self.left_out == self.DELETED or self.webhook.deleted_at is not None:
            return "the webhook was deleted before it was sent"
        if not self.webhook.active:
            return "it is held before its batch or window: the webhook is switched off"
        return "it waits for its batch or window"


_WHAT_BECAME: Final = MappingProxyType(
    {
        "was_delivered": "it was delivered; the delivery has been purged since",
        "was_failed": "its delivery failed, and has been purged since",
        "was_cancelled": "its delivery was cancelled, and has been purged since",
    }
)


class QuarantinedRecord(models.Model):
    """Bytes from a PBX that could not be decoded, kept as they came, with the reason."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, related_name="quarantine"
    )
    source = models.CharField(max_length=32)
    from_source = models.ForeignKey(
        "Source", on_delete=models.SET_NULL, null=True, related_name="quarantine"
    )
    reason = models.TextField()
    body = models.BinaryField()
    digest = models.CharField(max_length=64)
    content_type = models.CharField(max_length=200, blank=True)
    query = models.CharField(max_length=2000, blank=True)
    sender = models.GenericIPAddressField(null=True)
    times_seen = models.PositiveIntegerField(default=1)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    class Meta:
        """Table options."""

        ordering: ClassVar = ["-last_seen_at"]
        constraints: ClassVar = [
            # A PBX repeats what it thinks did not arrive: one row, counted.
            models.UniqueConstraint(
                fields=["tenant", "source", "digest"], name="quarantined_once"
            ),
        ]
        indexes: ClassVar = [
            # The admin's quarantine page, newest first.
            models.Index(fields=["-last_seen_at"], name="quarantine_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.source}: {self.reason[:80]}"

    @staticmethod
    def digest_of(body: bytes) -> str:
        """The hex SHA-256 of the bytes."""
        return hashlib.sha256(body).hexdigest()
