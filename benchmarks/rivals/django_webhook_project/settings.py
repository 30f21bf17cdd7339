"""As django-webhook's documentation says, with its log of events on.

RIVAL_TUNED=1: connections to the database are kept, more messages are taken at once.
"""

from __future__ import annotations

import os

import dj_database_url

TUNED = os.environ.get("RIVAL_TUNED") == "1"

SECRET_KEY = os.environ["SECRET_KEY"]
DATABASES = {
    "default": dj_database_url.parse(
        os.environ["RIVAL_DATABASE_URL"], conn_max_age=None if TUNED else 0
    )
}
USE_TZ = True
INSTALLED_APPS = [
    "django_webhook",
    "benchmarks.rivals.django_webhook_project.calls",
]
DJANGO_WEBHOOK = {"MODELS": ["calls.Call"], "STORE_EVENTS": True}

CELERY_BROKER_URL = os.environ["REDIS_URL"]
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
if TUNED:
    CELERY_WORKER_PREFETCH_MULTIPLIER = 64
    # Without it, Celery closes the connection to the database around each task.
    CELERY_DB_REUSE_MAX = 10**9
