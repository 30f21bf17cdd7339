"""Who owns calls and webhooks: partners, tenants, and the tokens that speak for them."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from typing import ClassVar, Final
from zoneinfo import available_timezones

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

from dispatcher.models.ids import uuid7

EXTERNAL_ID_PATTERN: Final = r"^[A-Za-z0-9._:@+-]{1,64}$"

TOKEN_BYTES: Final = 32

# webex.txt offers records for at least 48 hours.
SHORTEST_RETENTION_HOURS: Final = 48
# A hundred years; much more cannot be taken from a date.
MOST_HOURS: Final = 876_600

_HOURS: Final = (
    "recording_link_hours",
    "keep_cdrs_hours",
    "keep_deliveries_hours",
    "keep_quarantine_hours",
    "keep_recordings_hours",
)

OWNED_BY_TENANT_OR_PARTNER: Final = Q(tenant__isnull=False, partner__isnull=True) | Q(
    tenant__isnull=True, partner__isnull=False
)


def validate_time_zone(name: str) -> None:
    """Raises ValidationError for what is no IANA time zone."""
    if name not in available_timezones():
        raise ValidationError(f"{name!r} is no IANA time zone, such as Europe/London")


class Partner(models.Model):
    """An operator that manages many tenants (webex.txt: partner organisation)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """Table options."""

        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class Tenant(models.Model):
    """A customer organisation whose calls are recorded."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    external_id = models.CharField(
        max_length=64,
        unique=True,
        validators=[
            RegexValidator(
                EXTERNAL_ID_PATTERN, "1 to 64 of the characters A-Z a-z 0-9 . _ : @ + -"
            )
        ],
    )
    name = models.CharField(max_length=200)
    partner = models.ForeignKey(
        Partner,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="tenants",
    )
    time_zone = models.CharField(
        max_length=64, default="UTC", validators=[validate_time_zone]
    )
    max_webhooks = models.PositiveIntegerField(
        null=True, blank=True, help_text="How many webhooks it may have; empty: any."
    )
    recording_link_hours = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="How long a link to a recording works; empty: as long as the"
        " recording is kept.",
    )
    # Retention: after so many hours they are deleted; empty: kept.
    keep_cdrs_hours = models.PositiveIntegerField(
        "keep CDRs, hours",
        null=True,
        blank=True,
        validators=[MinValueValidator(SHORTEST_RETENTION_HOURS)],
        help_text="48 or more; with what was sent of them. Empty: for ever.",
    )
    keep_deliveries_hours = models.PositiveIntegerField(
        "keep deliveries, hours",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Deliveries that have ended, with their attempts. Empty: for as long"
        " as their CDRs.",
    )
    keep_quarantine_hours = models.PositiveIntegerField(
        "keep quarantine, hours",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Empty: for ever.",
    )
    keep_recordings_hours = models.PositiveIntegerField(
        "keep recordings, hours",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Recordings that are stored here. Empty: for ever.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """Table options."""

        ordering: ClassVar = ["external_id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(external_id__regex=EXTERNAL_ID_PATTERN),
                name="tenant_external_id_characters",
            ),
        ]

    def __str__(self) -> str:
        return self.external_id

    def clean(self) -> None:
        """Raises ValidationError for hours that do not fit each other, or any calendar."""
        for name in _HOURS:
            if (getattr(self, name) or 0) > MOST_HOURS:
                raise ValidationError({name: f"At most {MOST_HOURS}, or empty."})
        cdrs, deliveries = self.keep_cdrs_hours, self.keep_deliveries_hours
        if cdrs is not None and deliveries is not None and deliveries > cdrs:
            reason = "Deliveries are kept no longer than their calls."
            raise ValidationError({"keep_deliveries_hours": reason})


class Membership(models.Model):
    """A user's role at a partner or a tenant (webex.txt: full administrator).

    An administrator sees and changes what is its owner's, a viewer only sees it; a
    partner's sees its tenants' as well. Users who are superusers are operators.
    """

    ADMINISTRATOR, VIEWER = "administrator", "viewer"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    tenant = models.ForeignKey(
        Tenant,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="memberships",
    )
    partner = models.ForeignKey(
        Partner,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="memberships",
    )
    role = models.CharField(
        max_length=13,
        default=VIEWER,
        choices=[(ADMINISTRATOR, ADMINISTRATOR), (VIEWER, VIEWER)],
    )

    class Meta:
        """Table options."""

        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=OWNED_BY_TENANT_OR_PARTNER,
                name="membership_of_tenant_or_partner",
            ),
            models.CheckConstraint(
                condition=Q(role__in=["administrator", "viewer"]),
                name="membership_role_known",
            ),
            # Whose things a user may see is one owner's: nothing is mixed up.
            models.UniqueConstraint(fields=["user"], name="membership_one_a_user"),
        ]

    def __str__(self) -> str:
        return f"{self.role} of {self.tenant or self.partner}"


class ApiToken(models.Model):
    """A bearer token of a tenant or a partner; only its SHA-256 is stored."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, null=True, blank=True, related_name="tokens"
    )
    partner = models.ForeignKey(
        Partner, on_delete=models.CASCADE, null=True, blank=True, related_name="tokens"
    )
    # Of one source: what comes in with it is that source's.
    source = models.ForeignKey(
        "Source", on_delete=models.CASCADE, null=True, blank=True, related_name="tokens"
    )
    name = models.CharField(max_length=100, blank=True)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(max_length=8, editable=False)
    can_ingest = models.BooleanField(default=False)
    can_read = models.BooleanField(default=False)
    can_manage = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        """Table options."""

        verbose_name = "API token"
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=OWNED_BY_TENANT_OR_PARTNER,
                name="api_token_of_tenant_or_partner",
            ),
            models.CheckConstraint(
                condition=Q(can_ingest=True) | Q(can_read=True) | Q(can_manage=True),
                name="api_token_has_a_scope",
            ),
        ]

    def __str__(self) -> str:
        return f"…{self.hint}"

    def mint(self) -> str:
        """Makes the token's text, to be shown this once; keeps what is stored of it."""
        text = f"cdr_{secrets.token_urlsafe(TOKEN_BYTES)}"
        self.digest, self.hint = self.digest_of(text), text[-4:]
        return text

    @staticmethod
    def digest_of(text: str) -> str:
        """What is stored of a token, and what it is found by: the hex SHA-256 of its text.

        Nobody can steer how a digest compares, so that the time of a look-up tells
        nothing of a token; 256 random bits need no slow hash.
        """
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def scopes(self) -> list[str]:
        """The scopes it has, of ingest, read and manage."""
        return [
            scope
            for scope in ("ingest", "read", "manage")
            if getattr(self, f"can_{scope}")
        ]

    def is_valid(self, now: dt.datetime) -> bool:
        """True unless it was revoked or has expired."""
        if self.revoked_at is not None:
            return False
        return self.expires_at is None or now < self.expires_at

    @staticmethod
    def revoke(tokens: models.QuerySet[ApiToken], now: dt.datetime) -> int:
        """Ends those that are not revoked yet, at once; how many there were."""
        return tokens.filter(revoked_at__isnull=True).update(revoked_at=now)

    @classmethod
    def touch(cls, token_id: object, now: dt.datetime) -> None:
        """Notes when a token was last used, at most once a minute (no hot row)."""
        stale = Q(last_used_at__isnull=True) | Q(
            last_used_at__lt=now - dt.timedelta(minutes=1)
        )
        cls.objects.filter(stale, pk=token_id).update(last_used_at=now)
