"""Certificates and login of a webhook by the API: written, never read back, and used."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from django.db import connection

from dispatcher.models import Webhook
from dispatcher.pipeline import outbound
from dispatcher.pipeline.test_call import prepare_test_call
from tests.sending.identities import authority_of, chain_of, key_of
from tests.sending.receiver import Receiver, answer

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.db, pytest.mark.django_db]

PATH = "/api/v1/webhooks"
URL = "https://receiver.example/cdr"
CA = trustme.CA()
CLIENT, OTHER = CA.issue_cert("client.example"), CA.issue_cert("other.example")
SHOWN = {
    "ca_certificates": authority_of(CA),
    "client_certificate": chain_of(CLIENT),
    "basic_username": "cdrhook",
}
HIDDEN = {"client_key": key_of(CLIENT), "basic_password": "hunter2"}
MASKED = dict.fromkeys(HIDDEN, "***")


@pytest.fixture
def made(send: Any) -> dict[str, Any]:
    status, webhook = send("POST", PATH, {"url": URL, **SHOWN, **HIDDEN})
    assert status == 201
    shown: dict[str, Any] = webhook
    return shown


def test_keys_and_passwords_are_never_shown(send, made):
    _, shown = send("GET", f"{PATH}/{made['id']}")
    _, listed = send("GET", PATH)

    for webhook in (made, shown, *listed):
        assert {name: webhook[name] for name in (*SHOWN, *HIDDEN)} == SHOWN | MASKED


def test_they_are_encrypted_in_the_database(made):
    with connection.cursor() as cursor:
        cursor.execute("SELECT client_key, basic_password FROM dispatcher_webhook")
        stored = str(cursor.fetchall())

    assert "PRIVATE KEY" not in stored
    assert "hunter2" not in stored
    assert Webhook.objects.get().basic_password == "hunter2"


def test_a_webhook_without_them_does_not_speak_of_them(send):
    _, webhook = send("POST", PATH, {"url": URL})

    assert not (SHOWN | HIDDEN).keys() & webhook.keys()


def test_what_was_read_can_be_written_and_keeps_what_is_hidden(send, made):
    _, shown = send("GET", f"{PATH}/{made['id']}")

    status, after = send("PATCH", f"{PATH}/{made['id']}", shown)

    assert (status, after) == (200, shown)
    assert Webhook.objects.get().client_key == HIDDEN["client_key"]


def test_another_change_leaves_them_as_they_are(send, made):
    send("PATCH", f"{PATH}/{made['id']}", {"retries": 3})

    assert Webhook.objects.get().basic_password == "hunter2"


def test_they_end_when_they_are_sent_empty(send, made):
    nothing = dict.fromkeys({**SHOWN, **HIDDEN}, "")

    _, after = send("PATCH", f"{PATH}/{made['id']}", nothing)

    assert not (SHOWN | HIDDEN).keys() & after.keys()
    assert Webhook.objects.get().identity() is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"client_key": key_of(OTHER)}, "client_key"),
        ({"client_key": ""}, "client_key"),
        ({"client_certificate": chain_of(OTHER)}, "client_key"),
        (
            {"client_certificate": chain_of(CLIENT) + key_of(CLIENT)},
            "client_certificate",
        ),
        ({"ca_certificates": "x" * 70_000}, "ca_certificates"),
        ({"ca_certificates": "\0"}, "ca_certificates"),
        ({"url": "http://receiver.example/"}, "client_certificate"),
        ({"basic_username": "a:b"}, "basic_username"),
        ({"basic_username": "x" * 201}, "basic_username"),
        ({"basic_password": "a\r\nX-A: b"}, "basic_password"),
        ({"basic_password": "x" * 1001}, "basic_password"),
        ({"headers": {"authorization": "Bearer x"}}, "basic_username"),
    ],
)
def test_what_does_not_go_together_is_refused(send, made, changes, field):
    before = Webhook.objects.values().get()

    status, problem = send("PATCH", f"{PATH}/{made['id']}", changes)

    assert status == 422
    assert field in [error["field"] for error in problem["errors"]]
    assert "hunter2" not in str(problem)
    assert "MII" not in str(problem)
    assert Webhook.objects.values().get() == before


@pytest.mark.parametrize("name", sorted(HIDDEN))
def test_stars_stand_for_nothing_where_there_is_nothing(send, name):
    status, problem = send("POST", PATH, {"url": URL, name: "***"})

    assert (status, problem["errors"][0]["field"]) == (422, name)


def test_a_deleted_webhook_keeps_neither(send, made):
    send("DELETE", f"{PATH}/{made['id']}")

    webhook = Webhook.objects.get()
    assert (webhook.client_key, webhook.basic_password) == ("", "")


# Used -------------------------------------------------------------------------------


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver([answer(200)]) as running:
        yield running
    outbound._door().close()


def test_a_new_password_works_for_the_next_request(send, receiver):
    login = {"url": receiver.url(), "basic_username": "u", "basic_password": "old"}
    _, made = send("POST", PATH, login)

    for password in ("old", "new"):
        send("PATCH", f"{PATH}/{made['id']}", {"basic_password": password})
        claimed = prepare_test_call(Webhook.objects.get(), outbound.utc_now())
        assert outbound.send_out(claimed.outgoing).verdict == "delivered"

    assert [got.headers["authorization"] for got in receiver.requests] == [
        "Basic " + b64encode(pair).decode() for pair in (b"u:old", b"u:new")
    ]
