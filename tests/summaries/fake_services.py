"""AssemblyAI and OpenAI on 127.0.0.1, with the shapes that the real ones answer in.

Each of the three requests (submit, poll, summarise) has a script: the n-th request gets
the n-th answer, the last one repeats.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ASSEMBLYAI_KEY = "5f0b2c9d7e614a83b1c6d2e4f8a90317"
OPENAI_KEY = "sk-proj-T3stK3yOfNobodyAtAll0123456789abcdefXYZ"
SAID = "Hello. Hello. This is sales call with my internal number."
SUMMARY = "A sales call was initiated by an internal number."


@dataclass(frozen=True)
class Answer:
    """A response; a `body` that is no text becomes JSON."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


# Never answers; drops the connection.
HANG = Answer(0, "")
DROP = Answer(-1, "")


def transcript(status: str, **values: Any) -> Answer:
    """A transcript as POST and GET /v2/transcript give it."""
    return Answer(
        200,
        {
            "id": "tr-1",
            "status": status,
            "audio_url": "https://calls.example/a.wav",
            "language_detection": True,
            "text": None,
            "words": None,
            "error": None,
            "audio_duration": None,
            **values,
        },
    )


QUEUED = transcript("queued")
PROCESSING = transcript("processing")


def completed(text: str | None) -> Answer:
    """A transcript that is there; AssemblyAI gives "" or null where nobody speaks."""
    return transcript("completed", text=text, words=[], audio_duration=61)


def refused(status: int, error: str, **headers: str) -> Answer:
    """An error of AssemblyAI's."""
    return Answer(status, {"error": error}, headers)


def completion(text: str | None, **message: Any) -> Answer:
    """POST /chat/completions, 200."""
    return Answer(
        200,
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1795000000,
            "model": "gpt-5.4-mini-2026-03-17",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text, **message},
                    "finish_reason": "stop",
                    "logprobs": None,
                }
            ],
            "usage": {
                "prompt_tokens": 90,
                "completion_tokens": 12,
                "total_tokens": 102,
            },
        },
    )


def openai_error(status: int, code: str | None, message: str, **headers: str) -> Answer:
    """An error of OpenAI's."""
    error = {"message": message, "type": code, "param": None, "code": code}
    return Answer(status, {"error": error}, headers)


WRONG_OPENAI_KEY = openai_error(
    401,
    "invalid_api_key",
    "Incorrect API key provided: sk-proj-********************************fXYZ. You can"
    " find your API key at https://platform.openai.com/account/api-keys.",
)
OUT_OF_QUOTA = openai_error(
    429, "insufficient_quota", "You exceeded your current quota, please check your plan"
)
WRONG_ASSEMBLYAI_KEY = refused(401, "Authentication error, API token missing/invalid")


@dataclass(frozen=True)
class Request:
    """What came; `body` is its JSON."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


class FakeServices:
    """Both services on one port; `transcription_url` and `summary_url` are theirs."""

    def __init__(self) -> None:
        self.submit = [QUEUED]
        self.poll = [PROCESSING, completed(SAID)]
        self.summarise = [completion(SUMMARY)]
        self.requests: list[Request] = []
        self.came = threading.Condition()
        self.closing = threading.Event()
        self._counts = {"submit": 0, "poll": 0, "summarise": 0}
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.services = self
        threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        ).start()
        self.transcription_url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.summary_url = f"{self.transcription_url}/v1"

    def count(self, kind: str) -> int:
        """How many requests of a kind have come."""
        with self.came:
            return self._counts[kind]

    def answer_to(self, request: Request) -> Answer:
        """Notes a request and gives the scripted answer."""
        kind = _kind(request)
        if kind is None:
            return Answer(404, {"error": "Not found"})
        with self.came:
            self.requests.append(request)
            script: list[Answer] = getattr(self, kind)
            answer = script[min(self._counts[kind], len(script) - 1)]
            self._counts[kind] += 1
            self.came.notify_all()
        return answer

    def close(self) -> None:
        """Ends, also what hangs."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()


def _kind(request: Request) -> str | None:
    if (request.method, request.path) == ("POST", "/v2/transcript"):
        return "submit"
    if request.method == "GET" and request.path.startswith("/v2/transcript/"):
        return "poll"
    if (request.method, request.path) == ("POST", "/v1/chat/completions"):
        return "summarise"
    return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    services: FakeServices


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _serve(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(
            self.command, self.path, headers, json.loads(raw) if raw else None
        )
        answer = self.server.services.answer_to(request)
        if answer in (HANG, DROP):
            self.close_connection = True
            if answer == HANG:
                self.server.services.closing.wait(60)
            return
        is_text = isinstance(answer.body, str)
        body = (answer.body if is_text else json.dumps(answer.body)).encode()
        self.send_response(answer.status)
        self.send_header("content-type", "text/html" if is_text else "application/json")
        self.send_header("content-length", str(len(body)))
        for name, value in answer.headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _serve  # noqa: N815  http.server's names

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""
