"""Has recordings transcribed by AssemblyAI, or a server that speaks like it.

One HTTP request a function: it never waits for a transcript, as the SDK's own polling
does without end. The SDK's endpoint functions get a client of their own for each
request, because `assemblyai.settings` is the whole process's: keys of tenants would mix
between threads.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dispatcher.summaries.errors import Refusal, ServiceError, masked, no_answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

SERVICE: Final = "AssemblyAI"
# A socket operation each; both requests are answered at once or not at all.
TIMEOUT_SECONDS: Final = 8.0
MAX_ID_CHARS: Final = 200
# To recognise the language it needs speech, and says so as an error.
_NO_SPEECH: Final = "no spoken audio"


@dataclass(frozen=True, slots=True)
class Pending:
    """The transcript is not there yet; `status` is "queued" or "processing"."""

    status: str


def submit(key: str, base_url: str, audio_url: str) -> str:
    """Has the recording at `audio_url` transcribed; returns the transcript's id.

    Raises ServiceError.
    """
    from assemblyai import types
    from assemblyai.prerecorded.v2 import api

    wanted = types.TranscriptRequest(audio_url=audio_url, language_detection=True)
    with _client(key, base_url, audio_url) as client:
        transcript = api.create_transcript(client, wanted)
    if not transcript.id or len(transcript.id) > MAX_ID_CHARS:
        raise ServiceError(f"{SERVICE} gave the transcript no usable id")
    return transcript.id


def poll(key: str, base_url: str, transcript_id: str) -> Pending | str:
    """The text of a transcript, "" where nobody speaks, or Pending.

    Raises ServiceError.
    """
    from assemblyai import types
    from assemblyai.prerecorded.v2 import api

    with _client(key, base_url) as client:
        transcript = api.get_transcript(client, transcript_id)
    if transcript.status == types.TranscriptStatus.completed:
        return (transcript.text or "").replace("\x00", "").strip()
    if transcript.status == types.TranscriptStatus.error:
        error = transcript.error or "it does not say why"
        if _NO_SPEECH in error.lower():
            return ""
        said = masked(error, key, transcript.audio_url)
        raise ServiceError(f"{SERVICE} could not transcribe: {said}", permanent=True)
    return Pending(transcript.status.value)


@contextmanager
def _client(key: str, base_url: str, link: str = "") -> Iterator[httpx.Client]:
    """A client for one request; what goes wrong in it becomes a ServiceError.

    It follows no redirects, and heeds neither the environment's proxies nor .netrc.
    """
    import httpx
    from assemblyai import types

    answers: list[httpx.Response] = []
    try:
        with httpx.Client(
            base_url=base_url,
            headers={"authorization": key},
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
            event_hooks={"response": [answers.append]},
        ) as client:
            yield client
    except types.AssemblyAIError:
        # The SDK's own message repeats the link to the recording.
        raise _refusal(answers[-1]).as_error(key, link) from None
    except httpx.HTTPError as error:
        raise no_answer(SERVICE, error, key) from None
    except ValueError:
        raise ServiceError(f"{SERVICE} answered what is no transcript") from None


def _refusal(answer: httpx.Response) -> Refusal:
    try:
        message = answer.json()["error"]
    except (ValueError, KeyError, TypeError):
        message = answer.text
    return Refusal(SERVICE, answer.status_code, str(message), answer.headers)
