"""A real PBX's body in, a real receiver's request out."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parent.parent / "samples" / "freeswitch"

pytestmark = pytest.mark.e2e


def test_a_freeswitch_body_arrives_at_the_receiver_as_an_envelope(tenant, receiver):
    tenant.webhook(receiver.url("/"))
    body = (SAMPLES / "real_mod_json_cdr_plain_application_json.body").read_bytes()

    taken = tenant.post(body, f"/ingest/freeswitch/{tenant.external_id}?uuid=becc5246")
    (request,) = receiver.wait("/", 1, 10)

    assert taken.json() == {"accepted": 1, "duplicates": 0, "quarantined": 0}
    cdr = json.loads(request.body)["cdr"]
    assert cdr["id"] == "becc5246-56d8-4393-b2fa-24702043a451"
    assert cdr["cliName"] == 'Alice "A" Ünal & Co'
    assert (cdr["cause"], cdr["talk"]) == ("NORMAL_CLEARING", 2)


def test_a_body_that_the_pbx_broke_is_kept_and_answered_202(tenant):
    name = "real_mod_json_cdr_form_DEFAULT_encode_values_true_BROKEN.body"

    taken = tenant.post(
        (SAMPLES / name).read_bytes(), f"/ingest/freeswitch/{tenant.external_id}"
    )

    assert taken.status_code == 202
    assert taken.json() == {"accepted": 0, "duplicates": 0, "quarantined": 1}


def test_a_body_that_was_cut_off_is_refused_so_that_the_pbx_sends_it_again(tenant):
    head = (
        f"POST /ingest/freeswitch/{tenant.external_id} HTTP/1.1\r\n"
        f"Host: 127.0.0.1\r\nAuthorization: {tenant.headers['Authorization']}\r\n"
        "Content-Length: 1000\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", tenant.stack.port), 10) as sender:
        sender.sendall(head.encode() + b'{"variables": {')
        sender.shutdown(socket.SHUT_WR)
        answer = sender.recv(4096)

    assert answer.startswith(b"HTTP/1.1 400")
