"""Who changed what: one row a change, never altered."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from dispatcher.models.ids import uuid7
from dispatcher.models.tenancy import Partner, Tenant


class AuditEntry(models.Model):
    """One change: who made it, from where, to what, with values before and after.

    Names are kept as text, so that entries outlive what they tell of. Values of secrets
    are never in it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    at = models.DateTimeField()
    # "user anna", "token …1a2b", "command createtenant", "system".
    actor = models.CharField(max_length=200)
    address = models.GenericIPAddressField(null=True)
    action = models.CharField(max_length=32)
    # Whose thing it is; none: the operator's.
    tenant = models.ForeignKey(
        Tenant,
        on_delete=models.SET_NULL,
        null=True,
        related_name="audit_entries",
        db_index=False,
    )
    partner = models.ForeignKey(
        Partner,
        on_delete=models.SET_NULL,
        null=True,
        related_name="audit_entries",
        db_index=False,
    )
    object_type = models.CharField(max_length=64)
    object_id = models.CharField(max_length=64, blank=True)
    object_text = models.CharField(max_length=300, blank=True)
    # Field to [before, after].
    changes = models.JSONField(default=dict)

    class Meta:
        """Table options."""

        verbose_name = "audit entry"
        verbose_name_plural = "audit log"
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            # Lists, newest first: of a tenant, of a partner, of one thing.
            models.Index(fields=["tenant", "-id"], name="audit_of_tenant"),
            models.Index(fields=["partner", "-id"], name="audit_of_partner"),
            models.Index(fields=["object_id", "-id"], name="audit_of_object"),
        ]

    def __str__(self) -> str:
        return f"{self.actor}: {self.action} {self.object_type} {self.object_text}"
