"""System checks name the setting at fault and say what to do."""

from __future__ import annotations

import ipaddress

import pytest
from django.core.checks import run_checks

LONG = "a key that is long enough"


def ids(*, deploy: bool = False) -> set[str]:
    """The ids of our own messages, each of which has a hint."""
    messages = [
        message
        for message in run_checks(include_deployment_checks=deploy)
        if str(message.id).startswith("cdrhook.")
    ]
    assert all(message.hint for message in messages)
    return {str(message.id) for message in messages}


def test_a_developers_settings_are_clean():
    assert ids() == set()


@pytest.mark.parametrize("url", ["", "cdrhook.example", "ftp://x/", "https://"])
def test_a_public_url_must_be_one(settings, url):
    settings.PUBLIC_URL = url

    assert ids() == {"cdrhook.E001"}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("CDRHOOK_TRANSCRIPTION_URL", "api.assemblyai.com", "cdrhook.E005"),
        ("CDRHOOK_SUMMARY_URL", "", "cdrhook.E005"),
        ("CDRHOOK_SUMMARY_MODEL", "", "cdrhook.E006"),
    ],
)
def test_the_services_of_call_summaries_must_be_named(settings, name, value, expected):
    setattr(settings, name, value)

    assert ids() == {expected}


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ([LONG], set()),
        (["short"], {"cdrhook.E002"}),
        (["", LONG], {"cdrhook.E002"}),
        ([LONG, LONG], {"cdrhook.E003"}),
    ],
)
def test_keys_must_be_keys(settings, keys, expected):
    settings.FIELD_ENCRYPTION_KEYS = keys

    assert ids() == expected


@pytest.mark.parametrize(
    ("backend", "options", "expected"),
    [
        ("django.core.files.storage.InMemoryStorage", {}, set()),
        ("no.such.Storage", {}, {"cdrhook.E004"}),
        ("FileSystemStorage", {}, {"cdrhook.E004"}),
        ("json.loads", {}, {"cdrhook.E004"}),
        (
            "django.core.files.storage.FileSystemStorage",
            {"bucket": "b"},
            {"cdrhook.E004"},
        ),
    ],
)
def test_the_storage_of_recordings_can_be_made(settings, backend, options, expected):
    recordings = {"BACKEND": backend, "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "recordings": recordings}

    assert ids() == expected


def test_the_marks_of_a_feed_are_apart(settings):
    settings.CDRHOOK_FEED_SECONDS = 0

    assert ids() == {"cdrhook.E007"}


@pytest.mark.parametrize(
    "name",
    [
        "CDRHOOK_DOWN_AFTER_SECONDS",
        "CDRHOOK_PROBE_SECONDS",
        "CDRHOOK_RECOVERY_PER_SECOND",
        "HELD_MAX_AGE",
    ],
)
def test_the_clocks_of_endpoint_health_go(settings, name):
    setattr(settings, name, 0)

    assert ids() == {"cdrhook.E008"}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PUBLIC_URL", "http://127.0.0.1:8000", "W001"),
        ("PUBLIC_URL", "http://[::1]:8000", "W001"),
        ("PUBLIC_URL", "http://localhost", "W001"),
        ("CDRHOOK_ALLOW_HTTP", True, "W002"),
        ("CDRHOOK_ALLOWED_NETWORKS", [ipaddress.ip_network("0.0.0.0/0")], "W003"),
        ("METRICS_TOKEN", "short", "W004"),
        ("CDRHOOK_FEED_SECONDS", 10, "W005"),
    ],
)
def test_what_is_wrong_for_the_outside_world_is_told_at_deployment(
    settings, name, value, expected
):
    settings.PUBLIC_URL = "https://cdrhook.example.com"
    settings.CDRHOOK_ALLOW_HTTP = False
    assert not ids(deploy=True)

    setattr(settings, name, value)

    assert ids(deploy=True) == {f"cdrhook.{expected}"}
    assert ids() == set()


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        (47, {"cdrhook.E020"}),
        (48, set()),
        (876_600, set()),
        (876_601, {"cdrhook.E020"}),
    ],
)
def test_calls_are_kept_for_48_hours_at_least_and_100_years_at_most(
    settings, hours, expected
):
    settings.CDRHOOK_KEEP_CDRS_HOURS = hours

    assert ids() == expected


@pytest.mark.parametrize(
    ("days", "expected"),
    [(29, {"cdrhook.E021"}), (30, set()), (36_525, set()), (36_526, {"cdrhook.E021"})],
)
def test_the_audit_log_is_kept_for_30_days_at_least(settings, days, expected):
    settings.CDRHOOK_KEEP_AUDIT_DAYS = days

    assert ids() == expected
