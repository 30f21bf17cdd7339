"""Requests as the demo's receivers get them."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from cdrhook.receiver import Received


def received(payload: dict[str, Any], **headers: str) -> Received:
    """A delivered payload; `x_api_key="k"` is the header x-api-key."""
    return Received(
        time=dt.datetime(2026, 11, 23, 10, 0, tzinfo=dt.UTC),
        method="POST",
        path="/healthy",
        query="",
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        body=json.dumps(payload).encode(),
        webhook_id="d-1",
        signature="valid",
        spark_signature="none",
        answered=200,
    )
