"""What became of every record, counted as it came in: one side of the balance."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from dispatcher.models.tenancy import Tenant


class Tally(models.Model):
    """Counts of one hour of a tenant's, written in the transaction that they are about.

    `counts` is an object of numbers, in it `webhooks` with one such object a webhook
    (pipeline.balance says which). One row a request, so that requests do not wait for
    each other; rows of the past are added up into one an hour (`is_sum`).
    """

    tenant = models.ForeignKey(
        Tenant,
        on_delete=models.CASCADE,
        related_name="tallies",
        db_index=False,  # see tally_of_hour below
    )
    hour = models.DateTimeField()
    counts = models.JSONField(default=dict)
    is_sum = models.BooleanField(default=False)

    class Meta:
        """Table options."""

        ordering: ClassVar = ["hour", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tenant", "hour"],
                condition=Q(is_sum=True),
                name="tally_one_sum_an_hour",
            ),
        ]
        indexes: ClassVar = [
            # The balance of a tenant; the adding up.
            models.Index(fields=["tenant", "hour"], name="tally_of_hour"),
        ]

    def __str__(self) -> str:
        return f"{self.tenant_id} {self.hour}"
