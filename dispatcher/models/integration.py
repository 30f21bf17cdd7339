"""What users of a tenant set up for its calls, and what was said in them (thehub.txt)."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from dispatcher.models.cdr import StoredCdr
from dispatcher.models.encryption import EncryptedTextField
from dispatcher.models.ids import uuid7
from dispatcher.models.tenancy import Tenant


class Integration(models.Model):
    """One user's settings for "CDRs to webhook" and call summaries of a tenant.

    In force is the one of a tenant that was switched on first and is still on, with
    all its settings; it exports the calls of all the tenant's users.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, related_name="integrations"
    )
    # Not deleted along with the user: the tenant's webhook has to follow, which is for
    # pipeline.integrate to see to.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="integrations"
    )
    switched_on_at = models.DateTimeField(null=True, editable=False)
    url = models.CharField("request URL", max_length=2000)
    call_summary = models.BooleanField(default=False)
    openai_key = EncryptedTextField("OpenAI API key", blank=True, default="")
    assemblyai_key = EncryptedTextField("AssemblyAI API key", blank=True, default="")
    # Why no summaries are made although they are switched on; since when.
    notice = models.TextField(blank=True, default="", editable=False)
    notice_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        """Table options."""

        ordering: ClassVar = ["tenant", "switched_on_at", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tenant", "user"], name="integration_one_a_user"
            ),
        ]
        indexes: ClassVar = [
            # Which one is in force.
            models.Index(
                fields=["tenant", "switched_on_at", "id"],
                condition=Q(switched_on_at__isnull=False),
                name="integration_in_force",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tenant} by {self.user}"

    @classmethod
    def in_force(cls, tenant: Tenant) -> Integration | None:
        """The tenant's first one that is switched on."""
        on = cls.objects.filter(tenant=tenant, switched_on_at__isnull=False)
        return on.order_by("switched_on_at", "id").first()


class CallSummary(models.Model):
    """The transcription and summary of a recorded call, and how far they are.

    `next_step_at` is when the next request to a service is due, null once it is ended;
    whoever holds the lease token may write.
    """

    WAITING, TRANSCRIBING, SUMMARISING, READY, FAILED = (
        "waiting",
        "transcribing",
        "summarising",
        "ready",
        "failed",
    )
    STATES: ClassVar = [WAITING, TRANSCRIBING, SUMMARISING, READY, FAILED]

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, related_name="call_summaries"
    )
    cdr = models.OneToOneField(
        StoredCdr, on_delete=models.CASCADE, related_name="call_summary"
    )
    state = models.CharField(
        max_length=12, default=WAITING, choices=[(state, state) for state in STATES]
    )
    transcript_id = models.CharField(max_length=200, blank=True, default="")
    transcription = models.TextField(blank=True, default="")
    summary = models.TextField(blank=True, default="")
    error = models.TextField(blank=True, default="")
    # Requests of the step it is in that failed and may be tried again.
    tries = models.PositiveIntegerField(default=0)
    polls = models.PositiveIntegerField(default=0)
    next_step_at = models.DateTimeField(null=True)
    lease_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        """Table options."""

        verbose_name = "call summary"
        verbose_name_plural = "call summaries"
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(
                    state__in=[
                        "waiting",
                        "transcribing",
                        "summarising",
                        "ready",
                        "failed",
                    ]
                ),
                name="call_summary_state_known",
            ),
            models.CheckConstraint(
                condition=Q(
                    state__in=["ready", "failed"],
                    next_step_at__isnull=True,
                    ended_at__isnull=False,
                )
                | Q(
                    state__in=["waiting", "transcribing", "summarising"],
                    next_step_at__isnull=False,
                    ended_at__isnull=True,
                ),
                name="call_summary_open_has_next_step",
            ),
        ]
        indexes: ClassVar = [
            # Those whose next step is due.
            models.Index(
                fields=["next_step_at"],
                condition=Q(next_step_at__isnull=False),
                name="call_summary_due",
            ),
            # A tenant's, newest first.
            models.Index(fields=["tenant", "-id"], name="call_summary_of_tenant"),
        ]

    def __str__(self) -> str:
        return f"{self.cdr_id}: {self.state}"
