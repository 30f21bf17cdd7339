"""What holds a secret does not show it where it is printed or logged."""

from __future__ import annotations

from typing import Any

import pytest

from cdrhook.supervisor.valkey import Address
from dispatcher.models import Webhook
from dispatcher.models.encryption import EncryptedTextField
from dispatcher.pipeline import audit
from dispatcher.pipeline.draft import WebhookDraft
from dispatcher.pipeline.integrate import Changed, Wish

HUSH = "hush-hush-hush"


def draft() -> WebhookDraft:
    return WebhookDraft(
        url="https://a.example/",
        style="envelope",
        headers=(("Authorization", HUSH),),
        secret=HUSH,
        client_key=HUSH,
        basic_password=HUSH,
    )


@pytest.mark.parametrize(
    "holder",
    [
        draft(),
        Wish(url="https://a.example/", openai_key=HUSH, assemblyai_key=HUSH),
        Changed(integration=None, secret=HUSH),  # type: ignore[arg-type]
        audit.Hidden(HUSH),
        Address(port=1, password=HUSH),
        Webhook(url="https://a.example/", secret=HUSH, previous_secret=HUSH),
    ],
    ids=lambda holder: type(holder).__name__,
)
def test_it_does_not_show_it(holder: Any):
    assert HUSH not in repr(holder)
    assert HUSH not in str(holder)


def test_the_audit_log_hides_every_setting_that_is_encrypted():
    settings = audit.settings_of(draft())
    encrypted = {
        field.name
        for field in Webhook._meta.concrete_fields
        if isinstance(field, EncryptedTextField) and field.name in settings
    }
    assert {"secret", "client_key", "basic_password"} <= encrypted
    assert HUSH not in str(audit.changes({}, settings))
