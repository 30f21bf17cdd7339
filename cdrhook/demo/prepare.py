"""Makes the demo's tenant, token and webhooks, by the commands that anyone would use.

Usage: `python -m cdrhook.demo.prepare TENANT STYLE`, with a JSON object on standard
input: name of a webhook -> its URL and retries. Answers one JSON object on standard
output. A process of its own, because the settings of the demo's stack are another's.
"""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import django
from django.core.management import call_command


def command(*words: str) -> dict[str, Any]:
    """Runs a management command with --json; its answer."""
    out = io.StringIO()
    call_command(*words, "--json", stdout=out)
    answer: dict[str, Any] = json.loads(out.getvalue())
    return answer


def prepare(tenant: str, style: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """The token, and id and secret of each webhook."""
    command("createtenant", "Demo", "--external-id", tenant)
    scopes = [word for scope in SCOPES for word in ("--scope", scope)]
    token = command("createtoken", "--tenant", tenant, *scopes)["token"]
    webhooks = {}
    for name, webhook in wanted.items():
        webhooks[name] = command(
            *("createwebhook", "--tenant", tenant, "--style", style),
            *("--url", webhook["url"], "--retries", str(webhook["retries"])),
        )
    return {"token": token, "webhooks": webhooks}


SCOPES = ("ingest", "read", "manage")

if __name__ == "__main__":
    django.setup()
    print(json.dumps(prepare(sys.argv[1], sys.argv[2], json.load(sys.stdin))))
