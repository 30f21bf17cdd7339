"""Makes and ends API tokens, and notes that it was done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from dispatcher.models import ApiToken
from dispatcher.pipeline import audit

if TYPE_CHECKING:
    import datetime as dt

    from django.db.models import QuerySet


def make(token: ApiToken, *, now: dt.datetime) -> str:
    """Saves a new token; returns its text, which is stored nowhere. ValidationError."""
    text = token.mint()
    token.full_clean()
    with transaction.atomic():
        token.save()
        audit.note("made", token, now=now, after=audit.values_of(token))
    return text


def revoke(tokens: QuerySet[ApiToken], *, now: dt.datetime) -> int:
    """Ends those that are not revoked yet, at once; how many there were."""
    with transaction.atomic():
        valid = list(tokens.filter(revoked_at__isnull=True))
        keys = [token.pk for token in valid]
        revoked = ApiToken.revoke(ApiToken.objects.filter(pk__in=keys), now)
        for token in valid:
            audit.note("revoked", token, now=now)
    return revoked
