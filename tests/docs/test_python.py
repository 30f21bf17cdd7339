"""The examples of docs/python.md run as they stand there."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest
from celery.app import app_or_default
from django.conf import settings
from redis import Redis

from dispatcher import tasks
from dispatcher.models import StoredCdr

pytestmark = [pytest.mark.db, pytest.mark.django_db(transaction=True)]

PAGE = (Path(__file__).parents[2] / "docs" / "python.md").read_text()
IN_PROCESS, BY_MESSAGE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def run(code: str) -> None:
    ours = app_or_default()
    exec(compile(code, "docs/python.md", "exec"), {})  # noqa: S102  our own page
    # The page's own application is not to be the one that other tests publish with.
    ours.set_current()


def test_calls_are_handed_over_in_the_same_process(acme, monkeypatch, capsys):
    monkeypatch.setattr(tasks, "wake_up", lambda _: None)
    run(IN_PROCESS)
    assert capsys.readouterr().out == "1 0\n1 ['started_at: required']\n"
    assert StoredCdr.objects.get().uid == "call-1"


def test_a_message_is_what_the_task_takes(acme, broker, monkeypatch):
    monkeypatch.setattr(tasks, "wake_up", lambda _: None)
    redis = Redis.from_url(settings.REDIS_URL)
    redis.delete("enqueue")

    run(BY_MESSAGE.replace("redis://127.0.0.1:6379/0", settings.REDIS_URL))

    queued = redis.lpop("enqueue")
    assert isinstance(queued, bytes)
    message = json.loads(queued)
    redis.close()
    assert message["headers"]["task"] == tasks.enqueue.name
    args, named, _ = json.loads(base64.b64decode(message["body"]))
    tasks.enqueue(*args, **named)
    assert StoredCdr.objects.get().uid == "call-3"
