"""Calls handed over from Python, in the caller's own process: see docs/python.md.

Sets Django up where nobody has. Promises what HTTP's 202 does, and therefore refuses to
work inside a transaction whose end is the caller's.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import django
from django.apps import apps
from django.db import DatabaseError, InterfaceError, connection

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dispatcher.models import Tenant
    from dispatcher.pipeline.hand_over import Rejected
    from dispatcher.values import Cdr


class InTransactionError(RuntimeError):
    """What is committed by somebody else, later or never, cannot be promised now."""


@dataclass(frozen=True, slots=True)
class Enqueued:
    """What became of the calls; `rejected` tells of each refused one its index and why."""

    accepted: int
    duplicates: int
    rejected: tuple[Rejected, ...]


def enqueue(
    cdrs: Cdr | Mapping[str, Any] | Iterable[Cdr | Mapping[str, Any]],
    *,
    tenant: Tenant | str,
) -> Enqueued:
    """As `dispatcher.enqueue` says."""
    _set_up()
    _refuse_transactions()
    # What belongs to Django's models can only be loaded now.
    from dispatcher import tasks
    from dispatcher.pipeline import hand_over
    from dispatcher.pipeline.outbound import utc_now

    accepted, duplicates = 0, 0
    rejected: list[Rejected] = []
    for taken in hand_over.in_steps(_tenant(tenant), cdrs, clock=utc_now):
        tasks.wake_up(taken.wake)
        accepted += taken.accepted
        duplicates += taken.duplicates
        rejected += taken.rejected
    return Enqueued(accepted, duplicates, tuple(rejected))


def _set_up() -> None:
    if not apps.ready:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cdrhook.settings")
        django.setup()


def _refuse_transactions() -> None:
    blocks = connection.atomic_blocks
    # A TestCase's own transaction is the test's stage, as for Django's `durable`.
    in_block = bool(blocks) and not getattr(blocks[-1], "_from_testcase", False)
    is_manual = connection.connection is not None and not connection.autocommit
    if in_block or (is_manual and not blocks):
        raise InTransactionError(
            "enqueue commits by itself and cannot do so inside a transaction: call it"
            " after the commit, as in transaction.on_commit(lambda: enqueue(...))"
        )


def _tenant(tenant: Tenant | str) -> Tenant:
    from dispatcher.models import Tenant
    from dispatcher.models.tenancy import EXTERNAL_ID_PATTERN
    from dispatcher.pipeline.accept import StorageUnavailable

    if isinstance(tenant, Tenant):
        return tenant
    found = None
    try:
        # The database cannot even be asked for some texts (NUL).
        if re.fullmatch(EXTERNAL_ID_PATTERN, str(tenant)):
            found = Tenant.objects.filter(external_id=tenant).first()
    except (DatabaseError, InterfaceError) as error:
        raise StorageUnavailable(str(error)) from error
    if found is None:
        raise LookupError(f"there is no tenant {tenant!r}")
    return found
