"""Recordings by signed link, streamed (thehub.txt: recording_url).

Every link that is good for nothing gets the same answer, whatever is wrong with it.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from ninja import Router

from dispatcher.api.problems import RETRY_AFTER_SECONDS, Problem, not_found
from dispatcher.pipeline.playback import NotPlayableError, Playback, Wanted, play
from dispatcher.pipeline.recording import PATH, find
from dispatcher.sending.ranges import parse_range

router = Router(tags=["Recordings"])

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]")
_AUDIO: Final = {"schema": {"type": "string", "format": "binary"}}
_ANSWERS: Final = {
    "responses": {
        200: {"description": "The recording", "content": {"audio/*": _AUDIO}},
        206: {"description": "The range of it", "content": {"audio/*": _AUDIO}},
        404: {"description": "The link means no recording, or not any more"},
        416: {"description": "It has no such range; Content-Range tells its size"},
    }
}


@router.get(
    f"{PATH}{{uniqueid}}",
    auth=None,
    response={200: Any},
    openapi_extra=_ANSWERS,
    summary="Listen to a recording",
)
def get_recording(
    request: HttpRequest, uniqueid: str, token: str = ""
) -> HttpResponseBase:
    """The link is the `recording_url` of a call; one byte range can be asked for."""
    playback = _played(request, uniqueid, token)
    return StreamingHttpResponse(
        playback.body, status=playback.status, headers=_headers(playback, uniqueid)
    )


@router.api_operation(
    ["HEAD"], f"{PATH}{{uniqueid}}", auth=None, include_in_schema=False
)
def head_recording(
    request: HttpRequest, uniqueid: str, token: str = ""
) -> HttpResponseBase:
    """The same without the bytes."""
    playback = _played(request, uniqueid, token)
    playback.body.close()
    headers = _headers(playback, uniqueid)
    return HttpResponse(status=playback.status, headers=headers)


def _played(request: HttpRequest, uid: str, token: str) -> Playback:
    found = find(uid, token, timezone.now())
    if found is None:
        raise not_found()
    wanted = Wanted(
        range=parse_range(request.headers.get("Range", "")),
        if_range=request.headers.get("If-Range", "").strip(),
    )
    try:
        playback = play(found, wanted)
    except NotPlayableError as error:
        raise _problem(error) from error
    if playback.status == 416:
        raise _no_such_range(playback.size)
    return playback


def _problem(error: NotPlayableError) -> Problem:
    match error.why:
        case "unknown":
            return not_found()
        case "unavailable":
            return Problem(502, "The recording cannot be had just now; try again.")
        case "busy":
            return Problem(
                503,
                "Too many recordings are being played just now; try again.",
                headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
            )


def _no_such_range(size: int | None) -> Problem:
    headers = {} if size is None else {"Content-Range": f"bytes */{size}"}
    return Problem(416, "The recording has no such range of bytes.", headers=headers)


def _headers(playback: Playback, uid: str) -> Mapping[str, str]:
    name = _UNSAFE.sub("_", uid) + playback.suffix
    headers = {
        "Content-Type": playback.content_type,
        "Content-Length": "" if playback.length is None else str(playback.length),
        "Content-Range": "" if playback.span is None else str(playback.span),
        "Accept-Ranges": "bytes" if playback.takes_ranges else "none",
        "ETag": playback.etag,
        "Last-Modified": playback.last_modified,
        "Content-Disposition": f'inline; filename="{name}"',
        "Cache-Control": "private",
        "X-Content-Type-Options": "nosniff",
    }
    return {name: value for name, value in headers.items() if value}
