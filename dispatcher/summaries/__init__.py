"""What was said in a call: one request to a service at a time, by its official SDK.

The SDKs are an extra (cdrhook[summaries]) and are imported when they are needed: what
makes no summaries must pay neither their memory nor their second of start-up.
"""

from __future__ import annotations

from importlib.util import find_spec


def installed() -> bool:
    """Whether the SDKs of both services are there."""
    return all(find_spec(name) is not None for name in ("assemblyai", "openai"))
