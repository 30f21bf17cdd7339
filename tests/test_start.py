"""Server processes do not start without a secret key, and say what to set."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "command",
    [
        ["granian", "--interface", "wsgi", "--port", "0", "cdrhook.wsgi:application"],
        ["celery", "--app", "cdrhook", "worker", "--queues", "fast"],
    ],
    ids=["web server", "worker"],
)
def test_a_bare_server_refuses_without_a_secret_key(tmp_path, command):
    env = {**os.environ, "SECRET_KEY": "", "CDRHOOK_DATA_DIR": str(tmp_path)}

    done = subprocess.run(
        [sys.executable, "-m", *command],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode != 0
    assert "SECRET_KEY is not set" in done.stderr + done.stdout


def test_a_worker_loads_no_page_and_no_route(tmp_path):
    code = (
        "import sys; from celery.fixups.django import DjangoWorkerFixup;"
        "from cdrhook.celery import app; DjangoWorkerFixup(app).validate_models();"
        "app.loader.import_default_modules();"
        "print([name for name in sys.modules"
        " if name in ('dispatcher.tasks', 'dispatcher.api.urls', 'dispatcher.admin')])"
    )
    env = {**os.environ, "SECRET_KEY": "x" * 50, "CDRHOOK_DATA_DIR": str(tmp_path)}

    done = subprocess.run(
        [sys.executable, "-c", code],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout.strip() == "['dispatcher.tasks']"
