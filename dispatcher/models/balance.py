"""What became of every record, counted as it came in: one side of the balance."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from dispatcher.models.tenancy import Tenant


class Tally(models.Model):
    """Counts of one hour of a tenant's, written in the transaction that they are about.

    `counts` is an object of numbers, in it `webhooks` with one such object a webhook
    (pipeline.tally says which). One row a request, so that requests do not wait for
    each other; rows of the past are added up into one an hour (`is_sum`).
    """

    tenant = models.ForeignKey(
        Tenant,
        on_delete=models.CASCADE,
        related_name="tallies",
        db_index=False,  # see the two below
    )
    hour = models.DateTimeField()
    counts = models.JSONField(default=dict)
    is_sum = models.BooleanField(default=False)

    class Meta:
        """Table options."""

        ordering: ClassVar = ["hour", "id"]
        constraints: ClassVar = [
            # The balance of a tenant.
            models.UniqueConstraint(
                fields=["tenant", "hour"],
                condition=Q(is_sum=True),
                name="tally_one_sum_an_hour",
            ),
        ]
        indexes: ClassVar = [
            # The same, of what has not been added up; and the adding up.
            models.Index(
                fields=["tenant", "hour"],
                condition=Q(is_sum=False),
                name="tally_to_sum",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tenant_id} {self.hour}"
