"""What is remembered of calls that were deleted."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, ClassVar

from django.db import models

from dispatcher.models.tenancy import Tenant

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID


class KnownUid(models.Model):
    """A uid whose record was deleted: should it come again, it is a duplicate.

    Only a digest, for uids can hold numbers and addresses.
    """

    tenant = models.ForeignKey(
        Tenant,
        on_delete=models.CASCADE,
        related_name="known_uids",
        db_index=False,  # known_uid_once begins with it
    )
    digest = models.BinaryField(max_length=32)
    forget_at = models.DateTimeField()

    class Meta:
        """Table options."""

        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "digest"], name="known_uid_once"),
        ]
        indexes: ClassVar = [
            # Those that may be forgotten.
            models.Index(fields=["forget_at"], name="known_uid_forget"),
        ]

    def __str__(self) -> str:
        return bytes(self.digest).hex()

    @staticmethod
    def digests_of(tenant_id: UUID, uids: Sequence[str]) -> list[bytes]:
        """The 32 bytes that are kept of each of a tenant's uids."""
        tenant = f"{tenant_id}/"
        return [hashlib.sha256(f"{tenant}{uid}".encode()).digest() for uid in uids]
