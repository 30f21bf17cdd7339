"""Accepts CDRs, decides which webhooks want them, and delivers them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from dispatcher.from_python import Enqueued
    from dispatcher.models import Tenant
    from dispatcher.values import Cdr

__all__ = ["enqueue"]


def enqueue(
    cdrs: Cdr | Mapping[str, Any] | Iterable[Cdr | Mapping[str, Any]],
    *,
    tenant: Tenant | str,
) -> Enqueued:
    """Hands over calls of a tenant, as `POST /api/v1/cdrs` does: see docs/python.md.

    `cdrs` is one call or any number of them, each a Cdr or a dict in the form of
    `POST /api/v1/cdrs`; `tenant` a Tenant or its external id. Returns once all that
    are good are committed, in transactions of up to 1,000. Raises LookupError for an
    unknown tenant, InTransactionError inside a transaction of the caller's, and
    StorageUnavailable (OutcomeUnknown is one) where HTTP answers 503.
    """
    # Django is set up by the first call, not by the import.
    from dispatcher import from_python

    return from_python.enqueue(cdrs, tenant=tenant)
