"""What is in a queue is data: a message that would run code when it is read is refused."""

from __future__ import annotations

import pytest
from kombu.exceptions import ContentDisallowed
from kombu.message import Message
from kombu.serialization import dumps, prepare_accept_content

from cdrhook.celery import app


def message(serializer: str) -> Message:
    content_type, encoding, body = dumps(([], {}, {}), serializer=serializer)
    return Message(
        body=body,
        content_type=content_type,
        content_encoding=encoding,
        accept=prepare_accept_content(app.conf.accept_content),
    )


@pytest.mark.parametrize("serializer", ["pickle", "yaml"])
def test_a_message_that_is_not_json_is_refused(serializer: str):
    with pytest.raises(ContentDisallowed):
        message(serializer).decode()


def test_a_message_of_json_is_read():
    assert message("json").decode() == [[], {}, {}]
