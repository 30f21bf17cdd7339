"""The description of the interface, and the page that shows it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def description() -> Any:
    """The OpenAPI document."""
    return Client().get("/api/v1/openapi.json").json()


def test_it_describes_every_documented_path():
    described = {
        f"{method.upper()} {path}"
        for path, methods in description()["paths"].items()
        for method in methods
    }

    assert described == {
        "POST /api/v1/cdrs",
        "GET /api/v1/cdrs/{uid}",
        "GET /rest-api/cdr/{cdr_id}",
        "POST /ingest/{pbx}/{tenant}",
        "POST /ingest/{pbx}/{tenant}/{source}",
        "GET /api/v1/webhooks",
        "POST /api/v1/webhooks",
        "GET /api/v1/webhooks/{webhook_id}",
        "PATCH /api/v1/webhooks/{webhook_id}",
        "DELETE /api/v1/webhooks/{webhook_id}",
        "POST /api/v1/webhooks/{webhook_id}/test",
        "POST /api/v1/webhooks/{webhook_id}/probe",
        "POST /api/v1/webhooks/{webhook_id}/replay",
        "POST /api/v1/webhooks/{webhook_id}/replay-outage",
        "POST /api/v1/webhooks/{webhook_id}/backfill",
        "GET /api/v1/webhooks/{webhook_id}/replays",
        "GET /api/v1/replays/{replay_id}",
        "POST /api/v1/replays/{replay_id}/pause",
        "POST /api/v1/replays/{replay_id}/resume",
        "POST /api/v1/replays/{replay_id}/cancel",
        "POST /api/v1/webhooks/{webhook_id}/secret/rotate",
        "GET /api/v1/deliveries",
        "GET /api/v1/balance",
        "GET /api/v1/deliveries/{delivery_id}",
        "POST /api/v1/deliveries/{delivery_id}/redeliver",
        "POST /api/v1/deliveries/{delivery_id}/cancel",
        "POST /api/v1/erasures",
        "GET /v1/partners/cdrcountbyorg",
        "GET /v1/partners/cdrsbyorg",
        "GET /api/cdr/call-recording/{uniqueid}",
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
    }


def test_every_reference_in_it_leads_somewhere():
    document = description()

    names = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))

    assert "Cdr" in names
    assert names <= set(document["components"]["schemas"])


def test_its_page_needs_nothing_from_outside():
    page = Client().get("/api/v1/docs")

    sources = re.findall(r'(?:src|href)="([^"]+)"', page.content.decode())
    assert page.status_code == 200
    assert sources
    for source in sources:
        assert finders.find(source.removeprefix("/static/")), source
