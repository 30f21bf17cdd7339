"""An attempt as the pages show it. Returns plain text, which templates escape.

Addresses that are not public, and how long it took to connect to them, are shown to
operators only: they tell what stands in the operator's own network.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

from dispatcher.admin.moments import absolute
from dispatcher.admin.readable import text
from dispatcher.sending.addresses import is_inner

if TYPE_CHECKING:
    from dispatcher.models import Attempt

# The receiver's answer is kept up to this many bytes (DESIGN: Retry rule).
SHOWN_BODY: Final = 4096
_BAR: Final = 120
PHASES: Final = ("resolve", "connect", "tls", "send", "wait", "body")


def attempt_row(attempt: Attempt, *, operator: bool) -> dict[str, Any]:
    """What one attempt's row shows; phases that were not reached are left out."""
    body = bytes(attempt.response_body or b"")
    inside = not operator and _is_inside(attempt.address)
    return {
        "number": attempt.number,
        "probe": attempt.probe,
        "started": absolute(attempt.started_at),
        "duration": milliseconds(attempt.duration_ms),
        "phases": [] if inside else _phases(attempt),
        "status": attempt.status_code,
        "error_class": attempt.error_class,
        "error": attempt.error,
        "delivered": not attempt.error_class,
        "url": attempt.url,
        "address": "" if inside else attempt.address,
        "headers": _headers(attempt.response_headers),
        "body": text(body, SHOWN_BODY) if body else "",
    }


def _is_inside(address: str) -> bool:
    return bool(address) and is_inner(ip_address(address))


def milliseconds(value: int) -> str:
    """`47 ms`, `10.0 s`."""
    return f"{value:,} ms" if value < 10_000 else f"{value / 1000:.1f} s"


def _phases(attempt: Attempt) -> list[dict[str, Any]]:
    """Name and length of each phase, and the length of its bar in pixels."""
    lengths = {name: getattr(attempt, f"{name}_ms") for name in PHASES}
    known = {name: ms for name, ms in lengths.items() if ms is not None}
    whole = sum(known.values()) or 1
    return [
        {
            "name": "TLS" if name == "tls" else name,
            "length": milliseconds(ms),
            "bar": round(_BAR * ms / whole),
        }
        for name, ms in known.items()
    ]


def _headers(stored: object) -> list[tuple[str, str]]:
    """Pairs of name and value, from the list of lists that JSON keeps."""
    if not isinstance(stored, list):
        return []
    return [
        (str(pair[0]), str(pair[1]))
        for pair in stored
        if isinstance(pair, list) and len(pair) == 2
    ]
