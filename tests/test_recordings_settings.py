"""Where recordings are is a setting: a folder, or any storage of Django."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SHOW = """
from django.conf import settings
from django.core.files.storage import storages
storage = storages["recordings"]
print(type(storage).__name__, storage.location)
storages["default"], storages["staticfiles"]
"""


def shown(**variables: str) -> tuple[str, str]:
    """What a new process prints with these variables: standard output and error."""
    process = subprocess.run(
        [sys.executable, "-c", SHOW],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "cdrhook.settings",
            "CDRHOOK_DATA_DIR": "/data",
            **variables,
        },
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return process.stdout.strip(), process.stderr


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "FileSystemStorage /data/recordings"),
        ({"CDRHOOK_RECORDINGS_DIR": "/calls"}, "FileSystemStorage /calls"),
        (
            {
                "CDRHOOK_RECORDINGS_STORAGE": "django.core.files.storage.InMemoryStorage",
                "CDRHOOK_RECORDINGS_STORAGE_OPTIONS": '{"location": "/somewhere"}',
            },
            "InMemoryStorage /somewhere",
        ),
    ],
)
def test_the_storage_is_the_one_that_was_set(variables, expected):
    assert shown(**variables)[0] == expected


@pytest.mark.parametrize("options", ["bucket=b", "[]", '"text"', "1"])
def test_options_that_are_no_object_are_refused_by_name(options):
    _, error = shown(CDRHOOK_RECORDINGS_STORAGE_OPTIONS=options)

    assert "CDRHOOK_RECORDINGS_STORAGE_OPTIONS is no JSON object" in error
