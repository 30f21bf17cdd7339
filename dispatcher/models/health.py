"""What operators are told of webhooks, and what is sent again on a large scale."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from dispatcher.models.ids import uuid7
from dispatcher.models.webhook import Webhook


class Notice(models.Model):
    """Word to the operators over one channel: of a webhook, or of a source.

    A webhook went down or is back; a source is silent or is heard of again.

    Written in the transaction of the change that it tells of; `next_attempt_at` is null
    once it was sent or given up.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    webhook = models.ForeignKey(
        Webhook,
        on_delete=models.CASCADE,
        null=True,
        related_name="notices",
        db_index=False,  # notice_once begins with it
    )
    source = models.ForeignKey(
        "Source",
        on_delete=models.CASCADE,
        null=True,
        related_name="notices",
        db_index=False,  # notice_of_source_once begins with it
    )
    kind = models.CharField(
        max_length=6,
        choices=[
            ("down", "went down"),
            ("back", "is back"),
            ("silent", "is silent"),
            ("heard", "is heard of again"),
        ],
    )
    channel = models.CharField(
        max_length=7, choices=[("email", "e-mail"), ("webhook", "webhook")]
    )
    happened_at = models.DateTimeField()
    # What was true then: reason, how many are pending, since when.
    details = models.JSONField(default=dict)
    sent_at = models.DateTimeField(null=True)
    tries = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True, default="")

    class Meta:
        """Table options."""

        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            # Told once, however many workers see it.
            models.UniqueConstraint(
                fields=["webhook", "kind", "happened_at", "channel"],
                name="notice_once",
            ),
            models.UniqueConstraint(
                fields=["source", "kind", "happened_at", "channel"],
                name="notice_of_source_once",
            ),
            models.CheckConstraint(
                condition=Q(webhook__isnull=False, source__isnull=True)
                | Q(webhook__isnull=True, source__isnull=False),
                name="notice_of_one",
            ),
        ]
        indexes: ClassVar = [
            # Those that are to be sent.
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(next_attempt_at__isnull=False),
                name="notice_due",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.webhook_id or self.source_id} {self.kind}"


class Replay(models.Model):
    """Deliveries of a webhook that are sent again, or calls that it gets afterwards.

    It goes through ids, from `cursor` on, in steps of its rate; whoever holds the row's
    lock steps it.
    """

    DELIVERIES, OUTAGE, CALLS = "deliveries", "outage", "calls"
    RUNNING, PAUSED, DONE, CANCELLED = "running", "paused", "done", "cancelled"
    STATES: ClassVar = [RUNNING, PAUSED, DONE, CANCELLED]

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    webhook = models.ForeignKey(
        Webhook, on_delete=models.CASCADE, related_name="replays"
    )
    # Deliveries that exist, by when they were made or, of an outage, when they failed;
    # or calls that were accepted before the webhook was made.
    what = models.CharField(
        max_length=10,
        default=DELIVERIES,
        choices=[(DELIVERIES, DELIVERIES), (OUTAGE, OUTAGE), (CALLS, CALLS)],
    )
    since = models.DateTimeField()
    until = models.DateTimeField()
    # States of the deliveries that are sent again.
    states = models.JSONField(default=list)
    per_second = models.PositiveIntegerField(
        null=True, blank=True, help_text="Deliveries a second; empty: no limit."
    )
    state = models.CharField(
        max_length=9, default=RUNNING, choices=[(state, state) for state in STATES]
    )
    # Counted when it began; how many of them it is done with. Of calls, how many were
    # looked at: some may not pass the webhook's filters.
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    cursor = models.UUIDField(null=True)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=200, blank=True, default="")
    next_step_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        """Table options."""

        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state__in=["running", "paused", "done", "cancelled"]),
                name="replay_state_known",
            ),
            models.CheckConstraint(
                condition=Q(state="running", next_step_at__isnull=False)
                | (~Q(state="running") & Q(next_step_at__isnull=True)),
                name="replay_running_has_next_step",
            ),
        ]
        indexes: ClassVar = [
            # Those whose next step is due.
            models.Index(
                fields=["next_step_at"],
                condition=Q(next_step_at__isnull=False),
                name="replay_due",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.webhook_id} from {self.since}"
