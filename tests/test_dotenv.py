"""`.env` in the current folder is as good as the environment, for `cdrhook up` too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import cdrhook
from cdrhook.supervisor import database

WHAT_UP_LOOKS_AT = """
from django.conf import settings as s
print(s.IS_SECRET_KEY_GIVEN, s.IS_BROKER_GIVEN, s.DJANGO_SUPERUSER_USERNAME)
"""
ELSEWHERE = ("SECRET_KEY", "REDIS_URL", "DJANGO_SUPERUSER_USERNAME")


def seen_in(folder: Path) -> list[str]:
    """What `up` would see, run in that folder."""
    env = {key: value for key, value in os.environ.items() if key not in ELSEWHERE}
    done = subprocess.run(
        [sys.executable, "-c", WHAT_UP_LOOKS_AT],
        cwd=folder,
        env={**env, "PYTHONPATH": str(Path(cdrhook.__file__).parent.parent)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.split()


def test_a_key_a_broker_and_an_admin_may_be_named_in_it(tmp_path):
    lines = ["SECRET_KEY=long-enough", "REDIS_URL=redis://127.0.0.1:1/0"]
    lines.append("DJANGO_SUPERUSER_USERNAME=anna")
    (tmp_path / ".env").write_text("\n".join(lines))
    assert seen_in(tmp_path) == ["True", "True", "anna"]


def test_without_it_up_makes_them_itself(tmp_path):
    assert seen_in(tmp_path) == ["False", "False"]


@pytest.mark.db
@pytest.mark.django_db
def test_the_first_admin_is_made_of_the_settings(settings, django_user_model):
    settings.DJANGO_SUPERUSER_USERNAME = "anna"
    settings.DJANGO_SUPERUSER_PASSWORD = "correct horse battery"
    said: list[str] = []
    database.create_superuser(said.append)
    assert django_user_model.objects.get().check_password("correct horse battery")
    assert said == ["made the admin user anna"]
