"""POST /api/v1/cdrs."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from dispatcher.api import body, cdrs
from dispatcher.models import Delivery, StoredCdr
from dispatcher.pipeline.accept import OutcomeUnknown, StorageUnavailable
from tests.api.conftest import record

pytestmark = [pytest.mark.db, pytest.mark.django_db]

PATH = "/api/v1/cdrs"


def test_it_takes_one_record_and_wakes_the_webhook_that_wants_it(
    acme, webhook_of, send, woken
):
    webhook = webhook_of(acme)

    status, taken = send("POST", PATH, record("a"))

    assert (status, taken) == (202, {"accepted": 1, "duplicates": 0, "rejected": []})
    assert woken == [webhook.pk]
    assert Delivery.objects.get().webhook == webhook


def test_it_takes_a_list_and_counts_what_is_there_twice(send):
    body = {"cdrs": [record("a"), record("b"), record("a")]}

    status, taken = send("POST", PATH, body)

    assert (status, taken) == (202, {"accepted": 2, "duplicates": 1, "rejected": []})


def test_a_record_sent_again_is_a_duplicate(send):
    send("POST", PATH, record("a"))

    status, taken = send("POST", PATH, record("a"))

    assert (status, taken["accepted"], taken["duplicates"]) == (202, 0, 1)


def test_good_records_are_taken_when_others_are_bad(send):
    body = {"cdrs": [record("a"), record("b", nonsense=1), {"uid": "c"}]}

    status, taken = send("POST", PATH, body)

    assert (status, taken["accepted"]) == (202, 1)
    assert taken["rejected"] == [
        {"index": 1, "errors": [{"field": "nonsense", "message": "unknown field"}]},
        {"index": 2, "errors": [{"field": "started_at", "message": "required"}]},
    ]


def test_one_bad_record_is_refused_with_its_fields(send):
    status, problem = send("POST", PATH, {"uid": "a"})

    assert status == 422
    assert problem["title"]
    assert problem["errors"] == [{"field": "started_at", "message": "required"}]
    assert not StoredCdr.objects.exists()


def test_a_list_of_bad_records_only_is_refused_with_their_indexes(send):
    status, problem = send("POST", PATH, {"cdrs": [{"uid": "a"}, {"uid": "b"}]})

    assert status == 422
    assert [error["index"] for error in problem["errors"]] == [0, 1]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"{", 400),
        (b"", 400),
        (b"\xff", 400),
        (b"[" * 100_000, 400),
        (b"[]", 422),
        (b'{"cdrs": []}', 422),
        (b'{"cdrs": 1}', 422),
    ],
)
def test_a_body_of_the_wrong_kind_is_refused(send, sent, expected):
    status, problem = send("POST", PATH, sent)

    assert (status, problem["status"]) == (expected, expected)


def test_more_than_a_thousand_records_are_too_many(send):
    status, problem = send("POST", PATH, {"cdrs": [{}] * (cdrs.MAX_RECORDS + 1)})

    assert (status, problem["status"]) == (413, 413)


def test_a_body_beyond_five_mebibytes_is_too_large(send):
    status, problem = send("POST", PATH, b" " * (body.MAX_BYTES + 1))

    assert status == 413
    assert "5 MiB" in problem["detail"]


def chunked(api: Any, sent: bytes) -> Any:
    """A request without Content-Length, as a server hands it to Django."""
    return api.post(
        PATH,
        content_type="application/json",
        headers={"transfer-encoding": "chunked"},
        **{"wsgi.input": io.BytesIO(sent), "CONTENT_LENGTH": ""},
    )


def test_a_body_whose_length_is_not_told_is_taken(api):
    response = chunked(api, json.dumps(record("a")).encode())

    assert response.status_code == 202
    assert response.json()["accepted"] == 1


def test_a_body_whose_length_is_not_told_is_bounded_all_the_same(api):
    response = chunked(api, b" " * (body.MAX_BYTES + 1))

    assert response.status_code == 413


def test_a_type_that_is_not_json_is_refused(api):
    response = api.post(PATH, "<cdr/>", content_type="text/xml")

    assert response.status_code == 415
    assert response["Content-Type"] == "application/problem+json"


def test_a_compressed_body_is_refused(api):
    response = api.post(
        PATH,
        b"\x1f\x8b",
        content_type="application/json",
        headers={"content-encoding": "gzip"},
    )

    assert response.status_code == 415


def test_it_says_when_to_try_again_if_it_cannot_commit(api, monkeypatch):
    def locked(*_: object, **__: object) -> None:
        raise StorageUnavailable("database is locked")

    monkeypatch.setattr(cdrs, "accept", locked)

    response = api.post(PATH, record("a"), content_type="application/json")

    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0


def test_it_says_so_if_it_cannot_know_whether_it_has_committed(api, monkeypatch):
    def cut_off(*_: object, **__: object) -> None:
        raise OutcomeUnknown("server closed the connection unexpectedly")

    monkeypatch.setattr(cdrs, "accept", cut_off)

    response = api.post(PATH, record("a"), content_type="application/json")

    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0
    assert response.json()["outcome"] == "unknown"


@pytest.mark.parametrize("client_sends", ["all of it", "nothing before our answer"])
def test_a_refused_body_is_read_to_its_end_so_that_the_answer_arrives(
    api, client_sends
):
    sent = io.BytesIO(b" " * (body.MAX_BYTES + 100_000))
    asks = client_sends != "all of it"

    response = api.post(
        PATH,
        content_type="application/json",
        headers={"expect": "100-continue"} if asks else {},
        **{"wsgi.input": sent, "CONTENT_LENGTH": str(len(sent.getvalue()))},
    )

    assert response.status_code == 413
    assert sent.tell() == (0 if asks else len(sent.getvalue()))
