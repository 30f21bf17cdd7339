"""Tables, constraints, indexes (each with the query that needs it), named queries.

Opens no transaction and reads no clock: the pipeline does both.
"""

from dispatcher.models.audit import AuditEntry
from dispatcher.models.balance import Tally
from dispatcher.models.cdr import CdrRevision, OwedCdr, QuarantinedRecord, StoredCdr
from dispatcher.models.delivery import Attempt, Delivery, Lease
from dispatcher.models.health import Notice, Replay
from dispatcher.models.integration import CallSummary, Integration
from dispatcher.models.retention import KnownUid
from dispatcher.models.source import CallLeg, FilePlace, RawRecord, Source
from dispatcher.models.tenancy import ApiToken, Membership, Partner, Tenant
from dispatcher.models.webhook import (
    CustomData,
    Webhook,
    WebhookFilter,
    WebhookHeader,
)

__all__ = [
    "ApiToken",
    "Attempt",
    "AuditEntry",
    "CallLeg",
    "CallSummary",
    "CdrRevision",
    "CustomData",
    "Delivery",
    "FilePlace",
    "Integration",
    "KnownUid",
    "Lease",
    "Membership",
    "Notice",
    "OwedCdr",
    "Partner",
    "QuarantinedRecord",
    "RawRecord",
    "Replay",
    "Source",
    "StoredCdr",
    "Tally",
    "Tenant",
    "Webhook",
    "WebhookFilter",
    "WebhookHeader",
]
