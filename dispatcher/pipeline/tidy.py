"""Deletes what the system itself has written and nobody reads any more.

Logins that have ended, old notices, old failed logins, replays that are long over; the
audit log only where the operator says how long it is kept. In bounded steps; the caller
rests between them.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.sessions.models import Session

from dispatcher.models import AuditEntry, Notice, Replay
from dispatcher.models.ids import first_id_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet

# Rows that one step deletes.
STEP: Final = 500
KEPT: Final = dt.timedelta(days=90)


def tidy(now: dt.datetime) -> Iterator[int]:
    """Deletes step by step; tells after each how many rows are gone with it."""
    for old in _old(now):
        while gone := _step(old):
            yield gone


def _step(old: QuerySet[Any]) -> int:
    keys = list(old.order_by("pk").values_list("pk", flat=True)[:STEP])
    # Asked again: a login that was just used is not over.
    return old.filter(pk__in=keys).delete()[0] if keys else 0


def _old(now: dt.datetime) -> Iterator[QuerySet[Any]]:
    yield Session.objects.filter(expire_date__lt=now)
    before = now - KEPT
    yield AccessAttempt.objects.filter(attempt_time__lt=before)
    made_before = first_id_at(before)
    yield Notice.objects.filter(pk__lt=made_before, next_attempt_at__isnull=True)
    yield Replay.objects.filter(pk__lt=made_before, ended_at__lt=before)
    days = settings.CDRHOOK_KEEP_AUDIT_DAYS
    if days is not None:
        until = first_id_at(now - dt.timedelta(days=days))
        yield AuditEntry.objects.filter(pk__lt=until)
