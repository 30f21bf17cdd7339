"""The Celery application. Its settings are Django's, with the prefix CELERY_."""

from __future__ import annotations

import os

from celery import Celery
from celery.signals import setup_logging, worker_init
from django.core.exceptions import ImproperlyConfigured

from cdrhook.start import require_secret_key

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cdrhook.settings")
# Celery throws away what Django's checks find, and to check the URLs they load every
# page and route: half a second and 17 MB of each worker.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

app = Celery("cdrhook")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
def check_before_start(**_: object) -> None:
    """A worker without a secret key could not read webhooks' secrets."""
    try:
        require_secret_key()
    except ImproperlyConfigured as error:
        # Celery only logs what its signals' receivers raise, and would go on.
        raise SystemExit(str(error)) from error


@setup_logging.connect
def keep_logging(**_: object) -> None:
    """Has Celery leave logging alone: Django's LOGGING holds in every process."""
