"""The Django project around the dispatcher: settings, URLs, Celery, supervisor."""

__version__ = "0.1.0"

# Whoever sets Django up publishes through this application, not Celery's default one.
from cdrhook.celery import app as celery_app

__all__ = ["__version__", "celery_app"]
