"""The web server's entry point. Refuses to start without a secret key."""

from __future__ import annotations

import gc
import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from cdrhook.start import require_secret_key

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cdrhook.settings")

require_secret_key()
application = get_wsgi_application()
# What is loaded by now stays until the end: Python need not go through it whenever it
# looks for garbage, which a request with many calls makes it do often.
get_resolver().url_patterns  # noqa: B018  loads all pages
gc.collect()
gc.freeze()
