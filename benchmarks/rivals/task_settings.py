"""Django's settings of the rival with one task per delivery: our tables, its tuning.

RIVAL_TUNED=1: connections to the database are kept. Without it they are as Django and
Celery come: closed after each task. Never cdrhook's pool, which Celery's prefork pool
would take down after each task.
"""

from __future__ import annotations

import os

from cdrhook.settings import *  # noqa: F403

DATABASES = {
    "default": {
        **DATABASES["default"],  # noqa: F405
        "CONN_MAX_AGE": None if os.environ.get("RIVAL_TUNED") == "1" else 0,
        "OPTIONS": {},
    }
}
