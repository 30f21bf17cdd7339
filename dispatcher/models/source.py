"""Where a tenant's calls come from: its PBXs, how each is read, and what each sent."""

from __future__ import annotations

import zlib
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import ClassVar, Final

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

from dispatcher.models.cdr import StoredCdr
from dispatcher.models.encryption import EncryptedTextField
from dispatcher.models.ids import uuid7
from dispatcher.models.tenancy import EXTERNAL_ID_PATTERN, Tenant, validate_time_zone

# Below, to compress costs more than it saves.
PLAIN_BYTES: Final = 400
UID_PREFIX_PATTERN: Final = r"\A[A-Za-z0-9._:@+-]*\Z"
_PLAIN, _ZLIB = b"\x00", b"\x01"


class Source(models.Model):
    """A PBX, or something else that hands over calls of one tenant.

    What it pushes comes in at `/ingest/{pbx}/{tenant}/{name}`, or with a token of its
    own; what is fetched comes from its folder or connection.
    """

    PER_LEG, PER_CALL = "per_leg", "per_call"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(
        Tenant,
        on_delete=models.CASCADE,
        related_name="sources",
        db_index=False,  # source_name_once begins with it
    )
    name = models.CharField(
        max_length=64,
        validators=[
            RegexValidator(
                EXTERNAL_ID_PATTERN, "1 to 64 of the characters A-Z a-z 0-9 . _ : @ + -"
            )
        ],
    )
    # A name of adapters.registry.
    pbx = models.CharField("PBX", max_length=32)
    active = models.BooleanField(default=True, db_default=True)

    # How records are understood.
    time_zone = models.CharField(
        max_length=64,
        blank=True,
        default="",
        validators=[validate_time_zone],
        help_text="Of times that come without one; empty: the tenant's.",
    )
    region = models.CharField(
        "default region",
        max_length=2,
        blank=True,
        default="",
        help_text="Two letters, such as GB: national numbers become E.164 by it."
        " Empty: numbers stay as they come.",
    )
    # filters-like conditions -> direction; see values.SourceRules.
    directions = models.JSONField(default=list, blank=True)
    # Their field -> ours; see adapters.generic.
    mapping = models.JSONField(default=dict, blank=True)
    legs = models.CharField(
        max_length=8,
        default=PER_LEG,
        choices=[
            (PER_LEG, "one delivery per leg"),
            (PER_CALL, "one delivery per call"),
        ],
    )
    uid_prefix = models.CharField(
        "prefix of ids",
        max_length=32,
        blank=True,
        default="",
        validators=[
            RegexValidator(
                UID_PREFIX_PATTERN, "of the characters A-Z a-z 0-9 . _ : @ + -"
            )
        ],
        help_text="Put before the id of each record and call, where two PBXs of a tenant"
        " may give the same.",
    )
    leg_wait_seconds = models.PositiveIntegerField(
        default=30,
        validators=[MaxValueValidator(3600)],
        help_text="How long the other legs of a call are waited for.",
    )

    # Who may push.
    allowed_networks = models.TextField(
        blank=True,
        default="",
        help_text="Addresses or networks, one a line; empty: any.",
    )
    # What requests are signed with (Yeastar: X-Signature).
    secret = EncryptedTextField(blank=True, default="")

    # What is fetched; set by operators only: they name files and hosts of theirs.
    folder = models.CharField(max_length=1000, blank=True, default="")
    file_format = models.CharField(max_length=32, blank=True, default="")
    # URL with login: ami://, postgresql://, mysql://, sqlite:///
    connection = EncryptedTextField(blank=True, default="")
    table = models.CharField(max_length=200, blank=True, default="")
    # How far what is fetched has been taken in.
    cursor = models.JSONField(default=dict, blank=True, editable=False)
    # Who fetches: a process at a time.
    collector = models.UUIDField(null=True, editable=False)
    collector_until = models.DateTimeField(null=True, editable=False)
    # Why nothing can be fetched, since when.
    trouble = models.TextField(blank=True, default="", editable=False)
    trouble_at = models.DateTimeField(null=True, editable=False)

    # The gap alert.
    alert_when_silent = models.BooleanField(default=True, db_default=True)
    # How long a silence is normal, in seconds, and when that was worked out.
    silence_limit = models.PositiveIntegerField(null=True, editable=False)
    silence_judged_at = models.DateTimeField(null=True, editable=False)
    silent_since = models.DateTimeField(null=True, editable=False)

    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        """Table options."""

        ordering: ClassVar = ["tenant", "name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "name"], name="source_name_once"),
            models.CheckConstraint(
                condition=Q(legs__in=["per_leg", "per_call"]),
                name="source_legs_known",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Raises ValidationError for what is no network."""
        try:
            networks(self.allowed_networks)
        except ValueError as error:
            raise ValidationError({"allowed_networks": str(error)}) from None

    def admits(self, address: str | None) -> bool:
        """Whether it takes what comes from an address; one that is not known is none."""
        allowed = networks(self.allowed_networks)
        if not allowed:
            return True
        return address is not None and any(
            ip_address(address) in network for network in allowed
        )


def networks(text: str) -> list[IPv4Network | IPv6Network]:
    """Addresses and networks, one a line. Raises ValueError with a clear message."""
    return [ip_network(line.strip()) for line in text.splitlines() if line.strip()]


class RawRecord(models.Model):
    """What a PBX sent of a call, byte for byte, beside what was made of it.

    The key is the call's, made when it was accepted: by it a source's records sort by
    time.
    """

    cdr = models.OneToOneField(
        StoredCdr, on_delete=models.CASCADE, primary_key=True, related_name="raw"
    )
    source = models.ForeignKey(
        Source,
        on_delete=models.SET_NULL,
        null=True,
        related_name="records",
        db_index=False,  # see raw_of_source below
    )
    packed = models.BinaryField()

    class Meta:
        """Table options."""

        verbose_name = "raw record"
        indexes: ClassVar = [
            # A source's latest records, and the gaps between them.
            models.Index(
                fields=["source", "cdr"],
                condition=Q(source__isnull=False),
                name="raw_of_source",
            ),
        ]

    def __str__(self) -> str:
        return str(self.cdr_id)

    @property
    def body(self) -> bytes:
        """The bytes as they came."""
        return unpacked(bytes(self.packed))


def packed(body: bytes) -> bytes:
    """Bytes as they are stored: compressed where that saves anything."""
    if len(body) < PLAIN_BYTES:
        return _PLAIN + body
    return _ZLIB + zlib.compress(body, 1)


def unpacked(stored: bytes) -> bytes:
    """What `packed` was given."""
    kind, rest = stored[:1], stored[1:]
    return zlib.decompress(rest) if kind == _ZLIB else rest


class CallLeg(models.Model):
    """A leg of a call that is to be delivered as one; `cdr` is null until it is joined.

    It stays, so that the same leg again is a duplicate.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    source = models.ForeignKey(
        Source,
        on_delete=models.CASCADE,
        related_name="legs_taken",
        db_index=False,  # leg_once begins with it
    )
    # What the legs of a call have in common, and the leg's own.
    call_id = models.CharField(max_length=200)
    uid = models.CharField(max_length=200)
    record = models.TextField()
    packed = models.BinaryField()
    received_at = models.DateTimeField()
    # When the others are no longer waited for; null once it is joined.
    due_at = models.DateTimeField(null=True)
    cdr = models.ForeignKey(
        StoredCdr, on_delete=models.CASCADE, null=True, related_name="joined_legs"
    )

    class Meta:
        """Table options."""

        verbose_name = "leg"
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["source", "uid"], name="leg_once"),
        ]
        indexes: ClassVar = [
            # The legs of a call.
            models.Index(fields=["source", "call_id"], name="leg_of_call"),
            # Those whose waiting is over.
            models.Index(
                fields=["due_at"],
                condition=Q(due_at__isnull=False),
                name="leg_due",
            ),
        ]

    def __str__(self) -> str:
        return self.uid


class FilePlace(models.Model):
    """How far a file of a source's folder, or of an import, has been taken in.

    `identity` tells a file from the next one of the same name (rotation).
    """

    source = models.ForeignKey(
        Source,
        on_delete=models.CASCADE,
        related_name="files",
        db_index=False,  # file_once begins with it
    )
    path = models.CharField(max_length=1000)
    identity = models.CharField(max_length=100)
    offset = models.BigIntegerField(default=0)
    size = models.BigIntegerField(default=0)
    accepted = models.BigIntegerField(default=0)
    duplicates = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    # No more is expected of it: it was rotated away, or is a file of one call.
    finished_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField()

    class Meta:
        """Table options."""

        verbose_name = "file"
        ordering: ClassVar = ["-read_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["source", "path", "identity"], name="file_once"
            ),
        ]

    def __str__(self) -> str:
        return self.path
