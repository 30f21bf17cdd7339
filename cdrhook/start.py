"""What every server process checks before it starts."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


def require_secret_key() -> None:
    """Raises ImproperlyConfigured, saying what to set, where there is no SECRET_KEY."""
    try:
        settings.SECRET_KEY  # noqa: B018  reading it is Django's own check
    except ImproperlyConfigured as error:
        raise ImproperlyConfigured(
            "SECRET_KEY is not set. Set it in the environment or in .env to a long"
            " random text, the same for every process; or start with `cdrhook up`,"
            f" which makes one in {settings.SECRET_KEY_FILE}."
        ) from error
