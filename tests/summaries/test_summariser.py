"""Summaries, through OpenAI's own SDK."""

from __future__ import annotations

import datetime as dt

import pytest

from cdrhook.supervisor.ports import free_port
from dispatcher.summaries import summariser
from dispatcher.summaries.errors import ServiceError
from tests.summaries.fake_services import (
    DROP,
    HANG,
    OPENAI_KEY,
    OUT_OF_QUOTA,
    SAID,
    SUMMARY,
    WRONG_OPENAI_KEY,
    Answer,
    FakeServices,
    completion,
    openai_error,
)


def summarise(services: FakeServices) -> str:
    return summariser.summarise(OPENAI_KEY, services.summary_url, "a-model", SAID)


def error_of(services: FakeServices, answer: Answer) -> ServiceError:
    services.summarise = [answer]
    with pytest.raises(ServiceError) as caught:
        summarise(services)
    return caught.value


def test_a_transcription_is_summarised_in_one_request(services):
    services.summarise = [completion(f" {SUMMARY}\x00\n")]

    assert summarise(services) == SUMMARY

    (request,) = services.requests
    assert request.headers["authorization"] == f"Bearer {OPENAI_KEY}"
    assert request.body["model"] == "a-model"
    assert [message["role"] for message in request.body["messages"]] == [
        *("system", "user")
    ]
    assert request.body["messages"][1]["content"] == SAID


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503])
def test_what_may_pass_is_not_permanent_and_asked_once(services, status):
    error = error_of(services, openai_error(status, "rate_limit_exceeded", "Later"))

    assert not error.permanent
    assert not error.key_refused
    assert services.count("summarise") == 1


def test_retry_after_is_told(services):
    limited = openai_error(429, "rate_limit_exceeded", "Slow down", retry_after="20")

    assert error_of(services, limited).retry_after == dt.timedelta(seconds=20)


def test_a_key_that_is_refused_is_told_without_any_of_it(services):
    error = error_of(services, WRONG_OPENAI_KEY)

    assert error.key_refused
    assert "Incorrect API key provided: *** You can find" in str(error)
    assert "XYZ" not in str(error)


def test_a_used_up_quota_counts_as_a_key_that_is_refused(services):
    error = error_of(services, OUT_OF_QUOTA)

    assert error.key_refused
    assert "You exceeded your current quota" in str(error)


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "context_length_exceeded"), (404, "model_not_found"), (422, None)],
)
def test_any_other_4xx_is_permanent(services, status, code):
    error = error_of(services, openai_error(status, code, "No such thing"))

    assert error.permanent
    assert str(error) == f"OpenAI answered {status}: No such thing"


def test_redirects_are_not_followed(services):
    to = {"location": f"{services.summary_url}/chat/completions"}

    assert error_of(services, Answer(307, "", to)).permanent
    assert services.count("summarise") == 1


def test_a_model_that_refuses_says_why(services):
    error = error_of(services, completion(None, refusal="I cannot help with that."))

    assert error.permanent
    assert str(error) == "The model makes no summary: I cannot help with that."


@pytest.mark.parametrize(
    "answer",
    [
        completion(""),
        completion(None),
        Answer(200, {"choices": []}),
        Answer(200, {"choices": None}),
        Answer(200, {}),
        Answer(200, "<html>Welcome</html>"),
    ],
)
def test_a_200_without_a_summary_may_be_tried_again(services, answer):
    assert not error_of(services, answer).permanent


def test_a_service_that_never_answers_is_given_up(services, monkeypatch):
    monkeypatch.setattr(summariser, "ANSWER_SECONDS", 0.2)

    assert "OpenAI did not answer" in str(error_of(services, HANG))
    assert not error_of(services, DROP).permanent


def test_a_service_that_is_away_may_be_tried_again():
    url = f"http://127.0.0.1:{free_port()}/v1"

    with pytest.raises(ServiceError, match="OpenAI did not answer") as caught:
        summariser.summarise(OPENAI_KEY, url, "a-model", SAID)

    assert not caught.value.permanent


def test_the_environment_lends_neither_proxy_nor_account(services, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-somebody")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-somebody")

    assert summarise(services) == SUMMARY
    assert not {"openai-organization", "openai-project"} & set(
        services.requests[0].headers
    )
