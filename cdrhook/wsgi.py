"""The web server's entry point. Refuses to start without a secret key."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

from cdrhook.start import require_secret_key

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cdrhook.settings")

require_secret_key()
application = get_wsgi_application()
