"""Recorded bodies, and the smallest records that are accepted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES = Path(__file__).parents[1] / "samples"


@pytest.fixture
def sample() -> Callable[[str], bytes]:
    """Read `samples/freeswitch/real_{name}`."""
    return lambda name: (SAMPLES / "freeswitch" / f"real_{name}").read_bytes()


@pytest.fixture
def record() -> dict[str, Any]:
    """The least that `POST /api/v1/cdrs` takes."""
    return {"uid": "call-1", "started_at": "2026-11-23T00:15:23+01:00"}
