"""Deliveries and the attempts made for them."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar, Final

from django.db import models
from django.db.models import Q

from dispatcher.models.ids import uuid7
from dispatcher.models.tenancy import Tenant
from dispatcher.models.webhook import Webhook

# Twice the 15 s that must be left when a request starts: what a dead process held is
# sent by another soon.
LEASE: Final = dt.timedelta(seconds=30)
# A lease further ahead than this was made before the clock was set back. More than
# LEASE, because whoever looks may have read the clock a while ago, or on another host.
LONGEST_LEASE: Final = dt.timedelta(seconds=45)
# The longest wait that the retry rule knows: 10 x 2 s, or a Retry-After of 60 s.
LONGEST_WAIT: Final = dt.timedelta(seconds=120)


class Delivery(models.Model):
    """One payload that one webhook is to get; its id is the `webhook-id`.

    `tries` counts attempts towards the retry rule and starts anew when the delivery is
    sent again; `attempt_count` numbers the attempts and never goes back.
    """

    PENDING, DELIVERED, FAILED, CANCELLED = (
        "pending",
        "delivered",
        "failed",
        "cancelled",
    )
    STATES: ClassVar = [PENDING, DELIVERED, FAILED, CANCELLED]
    # The error class of one that carried nothing but calls that were erased: its request
    # is gone, and cannot be made again.
    ERASED: ClassVar = "erased"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Neither has an index of its own: those of the lists below begin with them, and
    # every index is written three times a delivery.
    webhook = models.ForeignKey(
        Webhook, on_delete=models.CASCADE, related_name="deliveries", db_index=False
    )
    tenant = models.ForeignKey(
        Tenant,
        on_delete=models.CASCADE,
        null=True,
        related_name="deliveries",
        db_index=False,
    )
    state = models.CharField(
        max_length=9, default=PENDING, choices=[(state, state) for state in STATES]
    )
    created_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    # Of the first call it carries: pending deliveries go out in this order.
    call_end = models.DateTimeField()
    tries = models.PositiveIntegerField(default=0)
    attempt_count = models.PositiveIntegerField(default=0)
    # A test call's uid ("test-..."): it has no CDR behind it.
    test_uid = models.CharField(max_length=200, blank=True, default="")

    # Copies of the last attempt's, so that the list needs no join.
    last_status_code = models.PositiveSmallIntegerField(null=True)
    last_error_class = models.CharField(max_length=16, blank=True, default="")
    last_error = models.TextField(blank=True, default="")

    # Frozen at the first attempt: the same bytes on every try (PAYLOADS: Common).
    request_method = models.CharField(max_length=4, blank=True, default="")
    request_content_type = models.CharField(max_length=64, blank=True, default="")
    request_body = models.BinaryField(null=True)
    request_headers = models.JSONField(default=dict)

    # What it carries: records, or what was said in the calls.
    kind = models.CharField(max_length=12, default="cdr")
    # A feed's: the window that its calls ended in, its number, and whether the window
    # had been sent before.
    window_start = models.DateTimeField(null=True)
    window_end = models.DateTimeField(null=True)
    sequence = models.PositiveIntegerField(null=True, help_text="1-indexed")
    late = models.BooleanField(default=False)

    class Meta:
        """Table options."""

        verbose_name_plural = "deliveries"
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(
                    state__in=["pending", "delivered", "failed", "cancelled"],
                ),
                name="delivery_state_known",
            ),
            models.CheckConstraint(
                condition=Q(
                    state="pending",
                    next_attempt_at__isnull=False,
                    ended_at__isnull=True,
                )
                | (
                    ~Q(state="pending")
                    & Q(next_attempt_at__isnull=True, ended_at__isnull=False)
                ),
                name="delivery_pending_has_next_attempt",
            ),
            models.CheckConstraint(
                condition=Q(tries__lte=models.F("attempt_count")),
                name="delivery_tries_are_attempts",
            ),
            # A feed's numbers: from 1, none twice.
            models.UniqueConstraint(
                fields=["webhook", "sequence"],
                condition=Q(sequence__isnull=False),
                name="delivery_sequence_once",
            ),
            models.CheckConstraint(
                condition=Q(
                    window_start__isnull=True,
                    window_end__isnull=True,
                    sequence__isnull=True,
                )
                | Q(
                    window_start__isnull=False,
                    window_end__isnull=False,
                    sequence__gte=1,
                ),
                name="delivery_window_whole",
            ),
        ]
        indexes: ClassVar = [
            # The claim: the due ones of one webhook in order of call end.
            models.Index(
                fields=["webhook", "call_end", "id"],
                condition=Q(state="pending"),
                name="delivery_claim",
            ),
            # The sweep's EXISTS a webhook, and its earliest next attempt.
            models.Index(
                fields=["webhook", "next_attempt_at"],
                condition=Q(state="pending"),
                name="delivery_due",
            ),
            # Lists, newest first: of a tenant, of a webhook, of a state. Read backwards,
            # for what is added at the end of its part leaves pages full.
            models.Index(fields=["tenant", "id"], name="delivery_of_tenant"),
            models.Index(fields=["webhook", "id"], name="delivery_of_webhook"),
            models.Index(
                fields=["state", "id"],
                condition=~Q(state="delivered"),
                name="delivery_not_delivered",
            ),
            # Lists of what failed so, and of what failed at a webhook. Neither is
            # written for what arrives at once.
            models.Index(
                fields=["last_error_class", "-id"],
                condition=~Q(last_error_class=""),
                name="delivery_of_error",
            ),
            models.Index(
                fields=["webhook", "-id"],
                condition=Q(state="failed"),
                name="delivery_failed",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @staticmethod
    def due(now: dt.datetime, too_far: dt.datetime | None = None) -> Q:
        """Pending, and its time has come, whether somebody is sending it or not.

        What waits until after `too_far`, by default longer than any wait from now, is
        due as well: the clock was set back.
        """
        waited = Q(next_attempt_at__lte=now) | Q(
            next_attempt_at__gt=too_far or now + LONGEST_WAIT
        )
        return Q(state=Delivery.PENDING) & waited


class Lease(models.Model):
    """The right to send some deliveries of a webhook and to record how that went.

    One a run, a row of its own: many deliveries are claimed and given up by writing
    this one, and none of theirs is rewritten until there is a result. It holds the
    requests that are about to be made for the first time, so that they are made with
    the same bytes again if whoever holds it dies.
    """

    token = models.UUIDField(primary_key=True, editable=False)
    webhook = models.ForeignKey(
        Webhook, on_delete=models.CASCADE, related_name="leases"
    )
    until = models.DateTimeField()
    # Ids of deliveries that are not yet recorded, as text.
    deliveries = models.JSONField(default=list)
    # What `pipeline.leases` packed; empty where every request is in its delivery.
    requests = models.BinaryField(default=b"")
    # Of a test call, which nobody takes over.
    for_test = models.BooleanField(default=False)

    def __str__(self) -> str:
        return str(self.token)

    @staticmethod
    def good(now: dt.datetime) -> Q:
        """Neither run out, nor made before the clock was set back."""
        return Q(until__gt=now, until__lte=now + LONGEST_LEASE)


class Attempt(models.Model):
    """One HTTP request made for a delivery; written when it has ended, never changed."""

    delivery = models.ForeignKey(
        Delivery,
        on_delete=models.CASCADE,
        related_name="attempts",
        db_index=False,  # attempt_number_once begins with it
    )
    number = models.PositiveIntegerField(help_text="1-indexed")
    probe = models.BooleanField(default=False)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField()
    resolve_ms = models.PositiveIntegerField(null=True)
    connect_ms = models.PositiveIntegerField(null=True)
    tls_ms = models.PositiveIntegerField(null=True)
    send_ms = models.PositiveIntegerField(null=True)
    wait_ms = models.PositiveIntegerField(null=True)
    body_ms = models.PositiveIntegerField(null=True)
    status_code = models.PositiveSmallIntegerField(null=True)
    error_class = models.CharField(max_length=16, blank=True, default="")
    error = models.TextField(blank=True, default="")
    url = models.CharField(max_length=2000)
    address = models.CharField(max_length=64, blank=True, default="")
    response_headers = models.JSONField(default=list)
    response_body = models.BinaryField(default=b"")

    class Meta:
        """Table options."""

        ordering: ClassVar = ["delivery", "number"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["delivery", "number"], name="attempt_number_once"
            ),
            models.CheckConstraint(
                condition=Q(number__gte=1), name="attempt_number_1_indexed"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.delivery_id} attempt {self.number}"
