"""Sees to it that the demo's tenant, token and webhooks exist and point at its receivers."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from cdrhook.demo.api import Api, RefusedError
from cdrhook.demo.memory import TENANT, Memory
from cdrhook.demo.receivers import CAST, Receivers
from cdrhook.demo.stack import StackError

if TYPE_CHECKING:
    from pathlib import Path

STYLES: Final = ("envelope", "flat")


def prepared(
    receivers: Receivers, memory: Memory, folder: Path, *, port: int, style: str
) -> Api:
    """A client, once everything is there; remembered in the folder.

    Raises StackError where it cannot be made.
    """
    if not (memory.token and _adjusted(receivers, memory, port=port, style=style)):
        _make(receivers, memory, style=style)
    memory.ports = receivers.ports
    memory.save(folder)
    receivers.trust(memory.secrets)
    return Api(port, TENANT, memory.token)


def _adjusted(receivers: Receivers, memory: Memory, *, port: int, style: str) -> bool:
    """Whether the remembered webhooks exist; they follow receivers that moved."""
    api = Api(port, TENANT, memory.token)
    try:
        for name, webhook in memory.webhooks.items():
            wanted = {"url": receivers.urls[name], "style": style}
            there = api.webhook(webhook["id"])
            if any(there[key] != value for key, value in wanted.items()):
                api.change_webhook(webhook["id"], **wanted)
    except RefusedError as error:
        if error.status not in (401, 404):
            raise StackError(f"a webhook cannot be changed: {error}") from error
        return False
    return True


def _make(receivers: Receivers, memory: Memory, *, style: str) -> None:
    urls = receivers.urls
    wanted = {
        name: {"url": urls[name], "retries": part.retries}
        for name, part in CAST.items()
    }
    made = subprocess.run(  # noqa: S603  our own module
        [sys.executable, "-m", "cdrhook.demo.prepare", TENANT, style],
        input=json.dumps(wanted),
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        raise StackError(f"tenant and webhooks cannot be made: {made.stderr.strip()}")
    answer = json.loads(made.stdout)
    memory.token, memory.webhooks = answer["token"], answer["webhooks"]
