"""The Celery application, as Celery's documentation has it for Django."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault(
    "DJANGO_SETTINGS_MODULE", "benchmarks.rivals.django_webhook_project.settings"
)

app = Celery("django_webhook_project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
