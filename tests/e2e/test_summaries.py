"""A recorded call is transcribed, summarised, and the summary sent."""

from __future__ import annotations

import json

import pytest

from tests.e2e.stack import Tenant, call
from tests.summaries.fake_services import (
    ASSEMBLYAI_KEY,
    OPENAI_KEY,
    SAID,
    SUMMARY,
    completed,
)

pytestmark = pytest.mark.e2e

SWITCH_ON = """
from django.contrib.auth.models import User
from dispatcher.models import Tenant
from dispatcher.pipeline.integrate import Wish, save
from dispatcher.pipeline.outbound import utc_now
wish = Wish(
    url={url!r}, on=True, call_summary=True,
    openai_key={openai!r}, assemblyai_key={assemblyai!r},
)
tenant = Tenant.objects.get(external_id={tenant!r})
save(tenant, User.objects.get(username="admin"), wish, now=utc_now())
"""


def switch_on(tenant: Tenant, url: str) -> str:
    """Switches on CDRs to webhook with call summaries; gives the webhook's id."""
    code = SWITCH_ON.format(
        url=url,
        tenant=tenant.external_id,
        openai=OPENAI_KEY,
        assemblyai=ASSEMBLYAI_KEY,
    )
    tenant.stack.run(code)
    return str(tenant.get("/api/v1/webhooks")[0]["id"])


@pytest.mark.parametrize("text", [SAID, ""])
def test_the_webhook_of_an_integration_gets_the_call_and_later_its_summary(
    tenant, receiver, services, text
):
    services.poll = [completed(text)]
    webhook = switch_on(tenant, receiver.url("/hub"))
    tenant.change(webhook, batch_size=1)

    tenant.post(call("c-1", recordings=[{"id": "r-1"}]))

    came = [json.loads(one.body) for one in receiver.wait("/hub", 2, 40)]
    assert [body["type"] for body in came] == ["cdr", "call_summary"]
    assert came[1]["cdrs"] == [
        {
            "uniqueid": "c-1",
            "transcription": text or "No speech",
            "summary": SUMMARY if text else "The call had no speech.",
        }
    ]
    submitted = services.requests[-3 if text else -2]
    # Each link has a token of its own.
    link, _, token = submitted.body["audio_url"].partition("?token=")
    assert came[0]["cdrs"][0]["recording_url"].startswith(f"{link}?token=")
    assert token
