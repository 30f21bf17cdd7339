"""Tables, constraints, indexes (each with the query that needs it), named queries.

Opens no transaction and reads no clock: the pipeline does both.
"""

from dispatcher.models.cdr import CdrRevision, OwedCdr, QuarantinedRecord, StoredCdr
from dispatcher.models.delivery import Attempt, Delivery, Lease
from dispatcher.models.integration import CallSummary, Integration
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
    "CallSummary",
    "CdrRevision",
    "CustomData",
    "Delivery",
    "Integration",
    "Lease",
    "Membership",
    "OwedCdr",
    "Partner",
    "QuarantinedRecord",
    "StoredCdr",
    "Tenant",
    "Webhook",
    "WebhookFilter",
    "WebhookHeader",
]
