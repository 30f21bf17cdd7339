"""Many calls, and which of them arrived."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.e2e.stack import call

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def batches(count: int, size: int = 1000) -> Iterator[dict[str, Any]]:
    """Bodies of POST /api/v1/cdrs, with calls c-0, c-1, and so on."""
    for start in range(0, count, size):
        yield {"cdrs": [call(f"c-{n}") for n in range(start, start + size)]}


def uids(requests: Iterable[Any]) -> Counter[str]:
    """How often each call is in these envelopes."""
    return Counter(json.loads(request.body)["cdr"]["id"] for request in requests)
