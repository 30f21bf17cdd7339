"""Makes the tenants, tokens and webhooks of a play, by the commands that anyone would use.

Usage: `python -m cdrhook.demo.prepare`, with a JSON object on standard input: `style`,
`of_partners`, and `webhooks`: name -> {"url", "retries", "tenants", "options"}. Answers
one JSON object on standard output: `tokens`, tenant -> token, and `webhooks`: name ->
{"id", "secret", "token"}. What an interrupted start made already is used, or switched
off. A process of its own, because the settings of the demo's stack are another's.
"""

from __future__ import annotations

import io
import json
import sys
from typing import Any, Final

import django
from django.core.management import call_command

SCOPES: Final = ("ingest", "read", "manage")


def command(*words: str) -> dict[str, Any]:
    """Runs a management command with --json; its answer."""
    out = io.StringIO()
    call_command(*words, "--json", stdout=out)
    answer: dict[str, Any] = json.loads(out.getvalue())
    return answer


def prepare(wanted: dict[str, Any]) -> dict[str, Any]:
    """The token of each tenant; id, secret and owner's token of each webhook."""
    tokens: dict[str, str] = {}
    webhooks = {}
    everybody = {
        one for webhook in wanted["webhooks"].values() for one in webhook["tenants"]
    }
    _switch_off(wanted["style"], everybody)
    for name, webhook in wanted["webhooks"].items():
        tenants = webhook["tenants"]
        owner = _owner(name, tenants, of_partners=wanted["of_partners"])
        token = tokens.get(tenants[0]) or _token(owner)
        tokens |= dict.fromkeys(tenants, token)
        made = command(
            *("createwebhook", *owner, "--style", wanted["style"]),
            *("--url", webhook["url"], "--retries", str(webhook["retries"])),
            *webhook["options"],
        )
        webhooks[name] = {**made, "token": token}
    return {"tokens": tokens, "webhooks": webhooks}


def _owner(name: str, tenants: list[str], *, of_partners: bool) -> tuple[str, str]:
    """--tenant or --partner, with what is missing made."""
    if not of_partners:
        _tenant(tenants[0])
        return "--tenant", tenants[0]
    partner = _partner_of(tenants) or command("createpartner", f"Demo {name}")["id"]
    for tenant in tenants:
        _tenant(tenant, "--partner", partner)
    return "--partner", partner


def _token(owner: tuple[str, str]) -> str:
    scopes = [word for scope in SCOPES for word in ("--scope", scope)]
    token: str = command("createtoken", *owner, *scopes)["token"]
    return token


def _tenant(external_id: str, *options: str) -> None:
    from dispatcher.models import Tenant

    if not Tenant.objects.filter(external_id=external_id).exists():
        name = external_id.replace("-", " ").capitalize()
        command("createtenant", name, "--external-id", external_id, *options)


def _partner_of(tenants: list[str]) -> str | None:
    from dispatcher.models import Tenant

    found = Tenant.objects.filter(external_id__in=tenants, partner__isnull=False)
    tenant = found.first()
    return None if tenant is None else str(tenant.partner_id)


def _switch_off(style: str, tenants: set[str]) -> None:
    """What is there already is known to nobody, and a partner has one active feed."""
    from django.db.models import Q
    from django.utils import timezone

    from dispatcher.models import Webhook
    from dispatcher.pipeline.subscribe import update_webhook

    of_them = Q(tenant__external_id__in=tenants)
    of_them |= Q(partner__tenants__external_id__in=tenants)
    active = Webhook.objects.filter(of_them, style=style, active=True)
    for webhook in active.distinct():
        update_webhook(webhook, {"active": False}, now=timezone.now())


if __name__ == "__main__":
    django.setup()
    print(json.dumps(prepare(json.load(sys.stdin))))
