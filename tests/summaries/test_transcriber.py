"""Transcripts, through AssemblyAI's own SDK."""

from __future__ import annotations

import datetime as dt
import threading

import pytest

from cdrhook.supervisor.ports import free_port
from dispatcher.summaries import transcriber
from dispatcher.summaries.errors import ServiceError
from dispatcher.summaries.transcriber import Pending
from tests.summaries.fake_services import (
    ASSEMBLYAI_KEY,
    DROP,
    HANG,
    PROCESSING,
    QUEUED,
    SAID,
    WRONG_ASSEMBLYAI_KEY,
    Answer,
    FakeServices,
    completed,
    refused,
    transcript,
)

# The SDK speaks to pydantic as to its first version.
pytestmark = pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince20")

LINK = "https://cdrhook.example/api/cdr/call-recording/c-1?token=abc.def.ghi"


def submit(services: FakeServices, key: str = ASSEMBLYAI_KEY) -> str:
    return transcriber.submit(key, services.transcription_url, LINK)


def poll(services: FakeServices) -> Pending | str:
    return transcriber.poll(ASSEMBLYAI_KEY, services.transcription_url, "tr-1")


def error_of(services: FakeServices, answer: Answer) -> ServiceError:
    services.submit = [answer]
    with pytest.raises(ServiceError) as caught:
        submit(services)
    return caught.value


def test_a_recording_is_handed_over_by_its_link_in_one_request(services):
    assert submit(services) == "tr-1"

    (request,) = services.requests
    assert request.body == {"audio_url": LINK, "language_detection": True}
    assert request.headers["authorization"] == ASSEMBLYAI_KEY


@pytest.mark.parametrize("answer", [QUEUED, PROCESSING])
def test_a_transcript_that_is_not_there_yet_is_pending_after_one_request(
    services, answer
):
    services.poll = [answer]

    assert poll(services) == Pending(answer.body["status"])
    assert [request.path for request in services.requests] == ["/v2/transcript/tr-1"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [(SAID, SAID), ("", ""), (None, ""), (" \n", ""), ("nul\x00byte", "nulbyte")],
)
def test_a_completed_transcript_gives_its_text(services, text, expected):
    services.poll = [completed(text)]

    assert poll(services) == expected


def test_a_transcript_without_any_speech_is_empty_although_it_is_called_an_error(
    services,
):
    services.poll = [
        transcript(
            "error",
            error="language_detection cannot be performed on files with no spoken"
            " audio.",
        )
    ]

    assert poll(services) == ""


def test_a_transcription_that_failed_says_why_without_the_link(services):
    services.poll = [
        transcript(
            "error",
            audio_url=LINK,
            error=f"Download error, unable to access file at {LINK}",
        )
    ]

    with pytest.raises(ServiceError) as caught:
        poll(services)

    assert caught.value.permanent
    assert str(caught.value) == (
        "AssemblyAI could not transcribe: Download error, unable to access file at ***"
    )


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_key_that_is_refused_is_told_from_other_errors(services, status):
    error = error_of(services, refused(status, f"Not with {ASSEMBLYAI_KEY[-6:]}_"))

    assert error.key_refused
    assert str(error).startswith(f"AssemblyAI answered {status}: Not with")


def test_an_account_without_money_counts_as_a_key_that_is_refused(services):
    error = error_of(services, refused(400, "Your account balance is negative."))

    assert error.key_refused


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_not_permanent(services, status):
    error = error_of(services, refused(status, "Try again"))

    assert (error.permanent, error.key_refused, error.retry_after) == (
        *(False, False),
        None,
    )


def test_retry_after_is_read_in_seconds_and_as_a_date(services):
    in_seconds = error_of(services, refused(429, "Slow down", retry_after="17"))
    assert in_seconds.retry_after == dt.timedelta(seconds=17)

    services.close()
    again = FakeServices()
    far_away = "Fri, 01 Jan 2100 00:00:00 GMT"
    as_a_date = error_of(again, refused(503, "Later", retry_after=far_away))
    assert as_a_date.retry_after is not None
    assert as_a_date.retry_after > dt.timedelta(days=365)
    again.close()


@pytest.mark.parametrize("value", ["soon", "-5", "²"])
def test_a_retry_after_that_makes_no_sense_is_left_out(value):
    from dispatcher.summaries.errors import Refusal

    headers = {"retry-after": value, "date": "Fri, 20 Nov 2026 10:00:00 GMT"}
    error = Refusal("AssemblyAI", 429, "Slow down", headers).as_error(ASSEMBLYAI_KEY)

    assert error.retry_after is None


@pytest.mark.parametrize("status", [201, 301, 400, 404, 422])
def test_any_other_status_is_permanent(services, status):
    error = error_of(services, refused(status, f"No good: {LINK}"))

    assert error.permanent
    assert str(error) == f"AssemblyAI answered {status}: No good: ***"


def test_a_page_instead_of_json_is_told_in_one_short_line(services):
    error = error_of(services, Answer(502, "<html>\n<h1>Bad gateway</h1>\n" * 50))

    assert "Bad gateway" in str(error)
    assert len(str(error)) < 400


@pytest.mark.parametrize(
    "answer", [Answer(200, "<html>"), Answer(200, {"id": "x"}), transcript("asleep")]
)
def test_a_200_that_is_no_transcript_may_be_tried_again(services, answer):
    assert not error_of(services, answer).permanent


@pytest.mark.parametrize("given", [None, "", "x" * 201])
def test_a_transcript_without_a_usable_id_may_be_tried_again(services, given):
    assert not error_of(services, transcript("queued", id=given)).permanent


def test_a_service_that_never_answers_is_given_up(services, monkeypatch):
    monkeypatch.setattr(transcriber, "TIMEOUT_SECONDS", 0.2)

    assert str(error_of(services, HANG)) == "AssemblyAI did not answer: timed out"
    assert not error_of(services, DROP).permanent


def test_a_service_that_is_away_may_be_tried_again():
    with pytest.raises(ServiceError, match="did not answer") as caught:
        transcriber.submit(ASSEMBLYAI_KEY, f"http://127.0.0.1:{free_port()}", LINK)

    assert not caught.value.permanent


def test_proxies_of_the_environment_are_not_heeded(services, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{free_port()}")

    assert submit(services) == "tr-1"


def test_keys_of_tenants_do_not_mix_between_threads(services):
    keys = [f"key-of-tenant-{number}" for number in range(8)]
    threads = [threading.Thread(target=submit, args=(services, key)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    used = sorted(request.headers["authorization"] for request in services.requests)
    assert used == keys


def test_no_part_of_the_key_is_told(services):
    said = f"{ASSEMBLYAI_KEY} or {ASSEMBLYAI_KEY[:8]}...{ASSEMBLYAI_KEY[-4:]}"

    error = error_of(services, refused(401, said))

    assert str(error) == "AssemblyAI answered 401: *** or ***"


def test_the_documented_refusal_stays_readable(services):
    assert "API token missing/invalid" in str(error_of(services, WRONG_ASSEMBLYAI_KEY))
