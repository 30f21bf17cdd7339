"""Webhooks by HTTP: made, shown, changed, tried out, deleted."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils import timezone
from ninja import Router, Status
from pydantic import BaseModel

from dispatcher import tasks
from dispatcher.api.auth import ApiRequest, Bearer, TenantName
from dispatcher.api.problems import Problem, not_found
from dispatcher.api.shapes import (
    AttemptJson,
    MomentText,
    attempt_json,
    iso,
    state_of,
    uuid_in_path,
)
from dispatcher.api.webhook_body import (
    CreatedJson,
    NewWebhook,
    WebhookChanges,
    WebhookJson,
    check_read_only,
    hidden,
    settings_of,
    webhook_json,
)
from dispatcher.models import Partner, Tenant, Webhook
from dispatcher.pipeline import probes, subscribe
from dispatcher.pipeline.test_call import test_call

router = Router(tags=["Webhooks"])


class SecretJson(BaseModel):
    """A new secret, shown this once; the former one signs as well until then."""

    secret: str
    previous_valid_until: MomentText | None


class TestedJson(AttemptJson):
    """The attempt of a test call, and what helps to understand it."""

    state: str
    delivery: str
    url: str
    response_headers: list[list[str]]
    response_body: str


@router.get(
    "/api/v1/webhooks",
    auth=Bearer("read"),
    response=list[WebhookJson],
    exclude_unset=True,
    summary="List webhooks",
)
def list_webhooks(
    request: ApiRequest, tenant: TenantName = None
) -> list[dict[str, Any]]:
    """The tenant's; with a partner's token and no tenant named, the partner's own."""
    rows = _of_owner(request, tenant).order_by("-id")
    return [webhook_json(webhook) for webhook in rows]


@router.post(
    "/api/v1/webhooks",
    auth=Bearer("manage"),
    response={201: CreatedJson},
    exclude_unset=True,
    summary="Make a webhook",
)
def create_webhook(
    request: ApiRequest, body: NewWebhook, tenant: TenantName = None
) -> Status[dict[str, Any]]:
    """Shows the secret this once. A feed gets none unless one is given."""
    owner = request.auth.owner_named(tenant)
    tenant_owner = owner if isinstance(owner, Tenant) else None
    partner_owner = owner if isinstance(owner, Partner) else None
    check_read_only(
        body,
        {
            "tenant": tenant_owner and tenant_owner.external_id,
            "partner": partner_owner and str(partner_owner.pk),
        },
    )
    draft = subscribe.WebhookDraft(
        tenant=tenant_owner, partner=partner_owner, **settings_of(body, {})
    )
    webhook, secret = subscribe.create_webhook(draft, now=timezone.now())
    return Status(201, {**webhook_json(webhook), "secret": secret or None})


@router.get(
    "/api/v1/webhooks/{webhook_id}",
    auth=Bearer("read"),
    response=WebhookJson,
    exclude_unset=True,
    summary="Look up a webhook",
)
def get_webhook(
    request: ApiRequest, webhook_id: str, tenant: TenantName = None
) -> dict[str, Any]:
    """Header values are masked; of the secret only whether there is one."""
    return webhook_json(_one(request, tenant, webhook_id))


@router.patch(
    "/api/v1/webhooks/{webhook_id}",
    auth=Bearer("manage"),
    response=WebhookJson,
    exclude_unset=True,
    summary="Change a webhook",
)
def change_webhook(
    request: ApiRequest,
    webhook_id: str,
    body: WebhookChanges,
    tenant: TenantName = None,
) -> dict[str, Any]:
    """Only what is sent changes, at once: the next attempt goes by it."""
    webhook = _one(request, tenant, webhook_id)
    check_read_only(body, webhook_json(webhook))
    headers = {entry.name: entry.value for entry in webhook.headers.all()}
    changes = settings_of(body, headers, hidden(webhook))
    subscribe.update_webhook(webhook, changes, now=timezone.now())
    # What was held goes out without waiting for the sweep.
    tasks.wake_up([webhook.pk])
    return webhook_json(_one(request, tenant, webhook_id))


@router.delete(
    "/api/v1/webhooks/{webhook_id}",
    auth=Bearer("manage"),
    response={204: None},
    summary="Delete a webhook",
)
def delete_webhook(
    request: ApiRequest, webhook_id: str, tenant: TenantName = None
) -> HttpResponse:
    """Cancels what is pending; deliveries and attempts stay to be looked up."""
    webhook = _one(request, tenant, webhook_id)
    subscribe.delete_webhook(webhook, now=timezone.now())
    return HttpResponse(status=204)


@router.post(
    "/api/v1/webhooks/{webhook_id}/test",
    auth=Bearer("manage"),
    response=TestedJson,
    summary="Send a sample call now",
)
def try_webhook(
    request: ApiRequest, webhook_id: str, tenant: TenantName = None
) -> dict[str, Any]:
    """200 whatever the receiver said; takes as long as it does, 10 s at most."""
    webhook = _one(request, tenant, webhook_id)
    delivery, attempt = test_call(webhook, now=timezone.now())
    return {
        **attempt_json(attempt),
        "state": state_of(delivery),
        "delivery": str(delivery.pk),
        "url": attempt.url,
        "response_headers": attempt.response_headers,
        "response_body": bytes(attempt.response_body).decode("utf-8", "replace"),
    }


@router.post(
    "/api/v1/webhooks/{webhook_id}/probe",
    auth=Bearer("manage"),
    response={202: WebhookJson},
    exclude_unset=True,
    summary="Try a webhook that is DOWN now",
)
def probe(
    request: ApiRequest, webhook_id: str, tenant: TenantName = None
) -> Status[dict[str, Any]]:
    """With its oldest pending delivery, else with the next; it spends no try.

    409 where it is not DOWN, is switched off, or has every call tried anyway.
    """
    webhook = _one(request, tenant, webhook_id)
    if not probes.probe_now(webhook):
        raise Problem(409, "Only a webhook that is DOWN, active and holds is probed.")
    tasks.wake_up([webhook.pk])
    return Status(202, webhook_json(_one(request, tenant, webhook_id)))


@router.post(
    "/api/v1/webhooks/{webhook_id}/secret/rotate",
    auth=Bearer("manage"),
    response=SecretJson,
    summary="Make a new signing secret",
)
def rotate_secret(
    request: ApiRequest, webhook_id: str, tenant: TenantName = None
) -> dict[str, Any]:
    """Both secrets sign for 24 hours, so that no delivery fails its check."""
    webhook = _one(request, tenant, webhook_id)
    secret, until = subscribe.rotate_secret(webhook, now=timezone.now())
    return {"secret": secret, "previous_valid_until": iso(until)}


def _of_owner(request: ApiRequest, tenant: str | None) -> QuerySet[Webhook]:
    owner = request.auth.owner_named(tenant)
    return (
        owner.webhooks.filter(deleted_at__isnull=True)
        .select_related("tenant")
        .prefetch_related("filters", "custom_data", "headers")
    )


def _one(request: ApiRequest, tenant: str | None, webhook_id: str) -> Webhook:
    key = uuid_in_path(webhook_id)
    webhook = _of_owner(request, tenant).filter(pk=key).first()
    if webhook is None:
        raise not_found()
    return webhook
