"""System checks: mistakes in the settings, with an id and a hint each.

What is only wrong for the outside world (a loopback PUBLIC_URL) is checked by
`check --deploy`, so that `check` stays silent on a developer's machine.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.files.storage import storages

from dispatcher.models.tenancy import MOST_HOURS, SHORTEST_RETENTION_HOURS

if TYPE_CHECKING:
    from collections.abc import Iterable

# A key of a few letters is found by trying.
MIN_KEY_CHARS: Final = 16
DOCUMENTED_FEED_SECONDS: Final = 300
LEAST_AUDIT_DAYS: Final = 30
# Networks wider than this hold more than somebody's own machines.
WIDEST_PREFIX: Final = {4: 8, 6: 32}


@register
def check_public_url(**_: Any) -> list[CheckMessage]:
    """PUBLIC_URL must be one, because links in payloads begin with it."""
    url = urlsplit(settings.PUBLIC_URL)
    if url.scheme in {"http", "https"} and url.hostname:
        return []
    return [
        Error(
            f"PUBLIC_URL is no http(s) address: {settings.PUBLIC_URL!r}",
            hint="Set it to the address that receivers reach, such as"
            " https://cdrhook.example.com",
            id="cdrhook.E001",
        )
    ]


@register
def check_encryption_keys(**_: Any) -> list[CheckMessage]:
    """Each of FIELD_ENCRYPTION_KEYS must be long enough to be a key, and there once."""
    keys = settings.FIELD_ENCRYPTION_KEYS
    hint = (
        "Make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"
    )
    errors: list[CheckMessage] = [
        Error(
            f"Key {number} of FIELD_ENCRYPTION_KEYS has fewer than {MIN_KEY_CHARS}"
            " characters",
            hint=hint,
            id="cdrhook.E002",
        )
        for number, key in enumerate(keys, start=1)
        if len(key.strip()) < MIN_KEY_CHARS
    ]
    if len(set(keys)) < len(keys):
        errors.append(
            Error(
                "FIELD_ENCRYPTION_KEYS holds the same key twice",
                hint="Put the new key first and the former one behind it.",
                id="cdrhook.E003",
            )
        )
    return errors


@register
def check_recordings_storage(**_: Any) -> list[CheckMessage]:
    """The storage of recordings must be one that can be made."""
    try:
        storages["recordings"]
    except Exception as error:
        # Whatever its class raises for the options that it was given.
        backend = settings.STORAGES["recordings"]["BACKEND"]
        return [
            Error(
                f"The storage of recordings cannot be made of {backend}: {error!r}",
                hint="Set CDRHOOK_RECORDINGS_STORAGE to the dotted path of a storage"
                " class that is installed, and CDRHOOK_RECORDINGS_STORAGE_OPTIONS to"
                " its arguments as a JSON object.",
                id="cdrhook.E004",
            )
        ]
    return []


@register
def check_services(**_: Any) -> Iterable[CheckMessage]:
    """The services of call summaries must have addresses, and the model a name."""
    for name in ("CDRHOOK_TRANSCRIPTION_URL", "CDRHOOK_SUMMARY_URL"):
        url = urlsplit(getattr(settings, name))
        if url.scheme not in {"http", "https"} or not url.hostname:
            yield Error(
                f"{name} is no http(s) address: {getattr(settings, name)!r}",
                hint="Unset it, or set it to the address of a server that speaks like"
                " the service.",
                id="cdrhook.E005",
            )
    if not settings.CDRHOOK_SUMMARY_MODEL:
        yield Error(
            "CDRHOOK_SUMMARY_MODEL is empty",
            hint="Unset it, or set it to the name of a model that the server of"
            " CDRHOOK_SUMMARY_URL has.",
            id="cdrhook.E006",
        )


@register
def check_retention(**_: Any) -> list[CheckMessage]:
    """Calls must be kept for as long as webex.txt promises their records."""
    hours = settings.CDRHOOK_KEEP_CDRS_HOURS
    if hours is None or SHORTEST_RETENTION_HOURS <= hours <= MOST_HOURS:
        return []
    return [
        Error(
            f"CDRHOOK_KEEP_CDRS_HOURS is {hours}",
            hint=f"Unset it, or set it to {SHORTEST_RETENTION_HOURS} to {MOST_HOURS}.",
            id="cdrhook.E020",
        )
    ]


@register
def check_audit_retention(**_: Any) -> list[CheckMessage]:
    """Who changed what must be there for a month at least."""
    days = settings.CDRHOOK_KEEP_AUDIT_DAYS
    if days is None or LEAST_AUDIT_DAYS <= days <= MOST_HOURS // 24:
        return []
    return [
        Error(
            f"CDRHOOK_KEEP_AUDIT_DAYS is {days}",
            hint=f"Unset it, or set it to {LEAST_AUDIT_DAYS} to {MOST_HOURS // 24}.",
            id="cdrhook.E021",
        )
    ]


@register
def check_feed_clock(**_: Any) -> list[CheckMessage]:
    """A feed's marks must be apart."""
    if settings.CDRHOOK_FEED_SECONDS >= 1:
        return []
    return [
        Error(
            f"CDRHOOK_FEED_SECONDS is {settings.CDRHOOK_FEED_SECONDS}",
            hint="Unset it: a feed's marks are 300 seconds apart, as documented.",
            id="cdrhook.E007",
        )
    ]


@register
def check_health_clocks(**_: Any) -> Iterable[CheckMessage]:
    """What endpoint health goes by must be times and a rate."""
    for name in (
        "CDRHOOK_DOWN_AFTER_SECONDS",
        "CDRHOOK_PROBE_SECONDS",
        "CDRHOOK_RECOVERY_PER_SECOND",
        "HELD_MAX_AGE",
    ):
        if getattr(settings, name) <= 0:
            yield Error(
                f"{name} is {getattr(settings, name)}",
                hint="Unset it, or set it to more than 0.",
                id="cdrhook.E008",
            )


@register(Tags.security, deploy=True)
def check_shortened_clock(**_: Any) -> Iterable[CheckMessage]:
    """Receivers of a feed count on the documented five minutes."""
    if settings.CDRHOOK_FEED_SECONDS != DOCUMENTED_FEED_SECONDS:
        yield Warning(
            f"CDRHOOK_FEED_SECONDS is {settings.CDRHOOK_FEED_SECONDS}, not the"
            f" documented {DOCUMENTED_FEED_SECONDS}",
            hint="Unset it: shorter windows are for trying feeds out.",
            id="cdrhook.W005",
        )


@register(Tags.security, deploy=True)
def check_reachable_from_outside(**_: Any) -> Iterable[CheckMessage]:
    """What nobody outside this machine could use, or too many could."""
    if _is_loopback(urlsplit(settings.PUBLIC_URL).hostname or ""):
        yield Warning(
            f"PUBLIC_URL is a loopback address: {settings.PUBLIC_URL}",
            hint="Links to recordings in payloads begin with it: set it to the address"
            " that receivers reach.",
            id="cdrhook.W001",
        )
    if settings.CDRHOOK_ALLOW_HTTP:
        yield Warning(
            "CDRHOOK_ALLOW_HTTP lets calls be sent unencrypted",
            hint="Unset it once every receiver speaks https.",
            id="cdrhook.W002",
        )
    for network in settings.CDRHOOK_ALLOWED_NETWORKS:
        if network.prefixlen < WIDEST_PREFIX[network.version]:
            yield Warning(
                f"CDRHOOK_ALLOWED_NETWORKS admits webhooks to all of {network}",
                hint="List the receivers' own networks only.",
                id="cdrhook.W003",
            )
    if 0 < len(settings.METRICS_TOKEN) < MIN_KEY_CHARS:
        yield Warning(
            f"METRICS_TOKEN has fewer than {MIN_KEY_CHARS} characters",
            hint="Set it to a long random text.",
            id="cdrhook.W004",
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
