"""Webhooks: where calls are sent to, which, in what shape, and how hard it is tried."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import fields
from typing import ClassVar, Final

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from dispatcher.models.encryption import EncryptedTextField, readable
from dispatcher.models.ids import uuid7
from dispatcher.models.tenancy import OWNED_BY_TENANT_OR_PARTNER, Partner, Tenant
from dispatcher.values import Filter, Identity

MAX_RETRIES: Final = 10
MAX_IN_FLIGHT: Final = 100
IDENTITY: Final = tuple(entry.name for entry in fields(Identity))


def _choices(*values: str) -> list[tuple[str, str]]:
    return [(value, value) for value in values]


class Webhook(models.Model):
    """A subscription of a tenant, or of a partner (for all its tenants)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, null=True, blank=True, related_name="webhooks"
    )
    partner = models.ForeignKey(
        Partner,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="webhooks",
    )
    url = models.CharField("URL", max_length=2000)
    style = models.CharField(max_length=16, default="envelope")
    method = models.CharField(
        max_length=4, default="POST", choices=_choices("POST", "PUT", "GET")
    )
    format = models.CharField(
        max_length=4, default="json", choices=_choices("json", "form")
    )
    retries = models.PositiveSmallIntegerField(
        default=1,
        validators=[MaxValueValidator(MAX_RETRIES)],
        help_text="0 to 10. The wait before retry n is n x 2 seconds.",
    )
    max_in_flight = models.PositiveSmallIntegerField(
        default=4,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_IN_FLIGHT)],
        help_text="Requests at a time. 1: one after another, in order of call end.",
    )
    max_per_second = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Requests a second; empty: no limit.",
    )
    ordered = models.BooleanField(
        default=False,
        help_text="A delivery that waits for its retry holds up those behind it.",
    )
    when_down = models.CharField(
        max_length=4, default="hold", choices=_choices("hold", "try", "fail")
    )
    when_disabled = models.CharField(
        max_length=4,
        default="drop",
        choices=_choices("drop", "hold"),
        help_text="What becomes of new calls while the webhook is not active.",
    )
    active = models.BooleanField(default=True)
    on_update = models.BooleanField(
        default=False, help_text="Send a call again when its record changes."
    )
    honour_retry_after = models.BooleanField(
        default=False,
        help_text="Let the receiver's Retry-After lengthen a wait, up to 60 seconds.",
    )
    disable_on_410 = models.BooleanField(
        "disable on 410", default=False, help_text="Switch off when it answers 410."
    )
    also_accept = models.CharField(
        max_length=64,
        blank=True,
        default="",
        help_text="Statuses that also confirm receipt, beside 200 and 201: 202,204",
    )
    batch_size = models.PositiveIntegerField(
        default=100, validators=[MinValueValidator(1), MaxValueValidator(5000)]
    )
    batch_seconds = models.PositiveIntegerField(
        default=60, validators=[MinValueValidator(1), MaxValueValidator(86400)]
    )
    resource = models.CharField(
        max_length=9, default="analytics", choices=_choices("analytics", "billing")
    )
    late_records = models.CharField(
        max_length=8,
        default="send",
        choices=_choices("send", "api_only"),
        help_text="Feed: calls that arrive after their window was sent go out at the"
        " next mark, or can only be had from the records API.",
    )
    empty_windows = models.BooleanField(
        default=False, help_text="Feed: send windows without calls, too."
    )
    # What it is shown of a call. Defaults of the database as well as ours: a process of
    # the release before may still make webhooks.
    mask = models.CharField(
        "mask numbers",
        max_length=6,
        blank=True,
        default="",
        db_default="",
        choices=[("", "no"), *_choices("digits", "hash")],
        help_text="digits: the last ones become x; hash: a keyed hash, which is the"
        " same for the same number.",
    )
    mask_digits = models.PositiveSmallIntegerField(
        default=4,
        db_default=4,
        validators=[MinValueValidator(1), MaxValueValidator(20)],
    )
    mask_key = EncryptedTextField(blank=True, default="", db_default="", editable=False)
    allowed_fields = models.JSONField(
        default=list,
        db_default=[],
        blank=True,
        help_text="What is sent of a call; none: everything.",
    )
    # How it is spoken to over TLS, and who we are to it.
    ca_certificates = models.TextField(
        "CA certificates",
        blank=True,
        default="",
        db_default="",
        help_text="PEM; instead of the authorities that this system trusts.",
    )
    client_certificate = models.TextField(
        blank=True, default="", db_default="", help_text="PEM, with its chain."
    )
    client_key = EncryptedTextField(
        blank=True, default="", db_default="", help_text="PEM."
    )
    basic_username = models.CharField(
        max_length=200, blank=True, default="", db_default=""
    )
    basic_password = EncryptedTextField(blank=True, default="", db_default="")
    secret = EncryptedTextField(blank=True, default="")
    # JSON: [[secret, until], ..]; the end of the first one's overlap stands beside it.
    previous_secret = EncryptedTextField(blank=True, default="", editable=False)
    previous_secret_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    # Deliveries keep pointing at a webhook that was deleted: nothing vanishes.
    deleted_at = models.DateTimeField(null=True, editable=False)

    # Endpoint health (DESIGN: Endpoint health).
    health = models.CharField(
        max_length=10,
        default="OK",
        choices=_choices("OK", "DOWN", "RECOVERING"),
        editable=False,
    )
    down_since = models.DateTimeField(null=True, editable=False)
    recovered_at = models.DateTimeField(null=True, editable=False)
    probed_at = models.DateTimeField(null=True, editable=False)
    failures_in_a_row = models.PositiveIntegerField(default=0, editable=False)
    # The first of these failures; of the last outage's, once it has recovered.
    failing_since = models.DateTimeField(null=True, editable=False)
    last_success_at = models.DateTimeField(null=True, editable=False)
    last_failure_at = models.DateTimeField(null=True, editable=False)
    dropped = models.PositiveBigIntegerField(default=0, editable=False)

    # A feed's: every window that ends by then has been made into deliveries, and how
    # many deliveries that were.
    fed_until = models.DateTimeField(null=True, editable=False)
    fed_count = models.PositiveIntegerField(default=0, editable=False)
    # Made and ruled by the tenant's integrations (thehub.txt).
    of_integration = models.BooleanField(default=False, editable=False)

    # How fast it answers, which decides its lane and how much is claimed at once.
    lane = models.CharField(
        max_length=4, default="fast", choices=_choices("fast", "slow"), editable=False
    )
    quick_answers = models.PositiveIntegerField(default=0, editable=False)
    answer_ms = models.PositiveIntegerField(default=0, editable=False)
    paced_until = models.DateTimeField(null=True, editable=False)

    class Meta:
        """Table options."""

        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=OWNED_BY_TENANT_OR_PARTNER,
                name="webhook_of_tenant_or_partner",
            ),
            models.CheckConstraint(
                condition=Q(retries__lte=MAX_RETRIES), name="webhook_retries_0_to_10"
            ),
            models.CheckConstraint(
                condition=Q(max_in_flight__range=(1, MAX_IN_FLIGHT)),
                name="webhook_max_in_flight_1_to_100",
            ),
            models.CheckConstraint(
                condition=Q(max_per_second__isnull=True) | Q(max_per_second__gte=1),
                name="webhook_max_per_second_positive",
            ),
            models.CheckConstraint(
                condition=Q(batch_size__gte=1, batch_seconds__gte=1),
                name="webhook_batch_positive",
            ),
            *(
                models.CheckConstraint(
                    condition=Q(**{f"{name}__in": values}), name=f"webhook_{name}_known"
                )
                for name, values in (
                    ("method", ["GET", "POST", "PUT"]),
                    ("format", ["json", "form"]),
                    ("style", ["envelope", "flat", "batch", "feed"]),
                    ("when_down", ["hold", "try", "fail"]),
                    ("when_disabled", ["drop", "hold"]),
                    ("resource", ["analytics", "billing"]),
                    ("late_records", ["send", "api_only"]),
                    ("health", ["OK", "DOWN", "RECOVERING"]),
                    ("lane", ["fast", "slow"]),
                    ("mask", ["", "digits", "hash"]),
                )
            ),
            # What PAYLOADS allows a style: flat and batch POST only, and so on.
            models.CheckConstraint(
                condition=Q(style="envelope") | Q(method="POST"),
                name="webhook_style_allows_method",
            ),
            models.CheckConstraint(
                condition=Q(style__in=["envelope", "flat"]) | Q(format="json"),
                name="webhook_style_allows_format",
            ),
            models.CheckConstraint(
                condition=~Q(style="batch", tenant__isnull=True)
                & ~Q(style="feed", partner__isnull=True),
                name="webhook_style_allows_owner",
            ),
            # webex.txt allows one webhook for each partner organisation.
            models.UniqueConstraint(
                fields=["partner"],
                condition=Q(style="feed", active=True, deleted_at__isnull=True),
                name="webhook_one_active_feed_a_partner",
            ),
            models.UniqueConstraint(
                fields=["tenant"],
                condition=Q(of_integration=True, deleted_at__isnull=True),
                name="webhook_one_of_integration_a_tenant",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.style} to {self.url}"

    @property
    def holds(self) -> bool:
        """Whether what is pending is held: it is off, or DOWN and set to hold."""
        return not self.active or (self.health == "DOWN" and self.when_down == "hold")

    @staticmethod
    def holding(path: str = "") -> Q:
        """The same of rows; `path` leads to their webhook: `webhook__`."""
        off = Q(**{f"{path}active": False})
        return off | Q(**{f"{path}health": "DOWN", f"{path}when_down": "hold"})

    @property
    def accepted_statuses(self) -> frozenset[int]:
        """Statuses beside 200 and 201 that confirm receipt for this webhook."""
        return frozenset(int(text) for text in self.also_accept.split(",") if text)

    def identity(self) -> Identity | None:
        """Whom it trusts and as whom it speaks; None: as everybody does.

        Raises UndecryptableError when no configured key fits.
        """
        values = {name: getattr(self, name) for name in IDENTITY}
        if not any(values.values()):
            return None
        return Identity(**{name: readable(text) for name, text in values.items()})

    def signing_secrets(self, now: dt.datetime) -> tuple[str, ...]:
        """The secret in force, then former ones while their rotation overlaps.

        Raises UndecryptableError when no configured key fits.
        """
        in_force = (readable(self.secret),) if self.secret else ()
        return (*in_force, *(text for text, _ in self.former_secrets(now)))

    def former_secrets(self, now: dt.datetime) -> list[tuple[str, dt.datetime]]:
        """Secrets that still sign beside the one in force, newest first, until when."""
        if not self.previous_secret:
            return []
        former = [
            (str(text), dt.datetime.fromisoformat(until))
            for text, until in json.loads(readable(self.previous_secret))
        ]
        return [(text, until) for text, until in former if now < until]

    def keep_former_secrets(self, former: list[tuple[str, dt.datetime]]) -> None:
        """Has these sign beside the one in force; saves nothing."""
        self.previous_secret = (
            json.dumps([(text, until.isoformat()) for text, until in former])
            if former
            else ""
        )
        self.previous_secret_until = former[0][1] if former else None


class WebhookFilter(models.Model):
    """One condition; all of a webhook's conditions must hold (ANDed)."""

    webhook = models.ForeignKey(
        Webhook, on_delete=models.CASCADE, related_name="filters"
    )
    field = models.CharField(max_length=100)
    op = models.CharField(max_length=16)
    value = models.CharField(max_length=1000, blank=True)

    class Meta:
        """Table options."""

        verbose_name = "filter"
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return f"{self.field}:{self.op}:{self.value}"

    def as_value(self) -> Filter:
        """The condition as the filters room takes it."""
        return Filter(self.field, self.op, self.value)


class CustomData(models.Model):
    """A key and value that go into every payload of a webhook."""

    webhook = models.ForeignKey(
        Webhook, on_delete=models.CASCADE, related_name="custom_data"
    )
    key = models.CharField(max_length=100)
    value = models.CharField(max_length=2000, blank=True)

    class Meta:
        """Table options."""

        verbose_name = "custom data"
        verbose_name_plural = "custom data"
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["webhook", "key"], name="custom_data_key_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


class WebhookHeader(models.Model):
    """A header of a webhook's own, such as newfies.txt's `x-api-key`."""

    webhook = models.ForeignKey(
        Webhook, on_delete=models.CASCADE, related_name="headers"
    )
    name = models.CharField(max_length=100)
    value = EncryptedTextField()

    class Meta:
        """Table options."""

        verbose_name = "header"
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                "webhook", Lower("name"), name="webhook_header_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}: ***"
