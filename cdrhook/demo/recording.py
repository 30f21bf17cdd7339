"""A recording that the demo's calls can link to, and what comes of asking for it."""

from __future__ import annotations

import http.client
import math
import struct
import wave
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from cdrhook.supervisor.folder import make_private

if TYPE_CHECKING:
    from pathlib import Path

RECORDING_ID: Final = "demo-ringing"
FIRST_BYTES: Final = "bytes=0-99"
_RATE_HZ: Final = 8000
_SECONDS: Final = 2
# What a British caller hears while it rings.
_TONES_HZ: Final = (400, 450)


def keep_recording(folder: Path, tenant: str) -> None:
    """Puts two seconds of ringing where cdrhook looks for a tenant's recordings."""
    make_private(folder / "recordings")
    make_private(folder / "recordings" / tenant)
    path = folder / "recordings" / tenant / f"{RECORDING_ID}.wav"
    samples = (_sample(number) for number in range(_RATE_HZ * _SECONDS))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE_HZ)
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))


def _sample(number: int) -> int:
    angle = 2 * math.pi * number / _RATE_HZ
    return round(8000 * sum(math.sin(angle * hertz) for hertz in _TONES_HZ))


def asked_for(link: str) -> str:
    """What a link answers to a request for the first 100 bytes. OSError if nothing."""
    parts = urlsplit(link)
    connection = http.client.HTTPConnection(
        parts.hostname or "", parts.port, timeout=10.0
    )
    path = f"{parts.path}?{parts.query}"
    try:
        connection.request("GET", path, headers={"Range": FIRST_BYTES})
        response = connection.getresponse()
        count = len(response.read())
    except http.client.HTTPException as error:
        raise ConnectionError(str(error)) from error
    finally:
        connection.close()
    kind = response.headers.get("Content-Type", "-")
    span = response.headers.get("Content-Range", "-")
    return f"{response.status}  Content-Range: {span}  {kind}  {count} bytes"
