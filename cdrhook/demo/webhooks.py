"""Sees to it that the owners and webhooks of a play exist, and point at its receivers.

Those of other styles, from an earlier start, are switched off.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from cdrhook.demo.api import Api, RefusedError
from cdrhook.demo.memory import Kept, Memory
from cdrhook.demo.receivers import CAST, Receivers
from cdrhook.demo.stack import StackError

if TYPE_CHECKING:
    from pathlib import Path

    from cdrhook.demo.plays.base import Play

    Settings = dict[str, str | bool]


def prepared(
    play: Play, receivers: Receivers, memory: Memory, folder: Path, *, port: int
) -> Api:
    """A client, once everything is there; remembered in the folder.

    Raises StackError where it cannot be made.
    """
    _switch_off_others(play, memory, port)
    if not _adjusted(play, receivers, memory, port):
        memory.styles[play.style] = _made(play, receivers)
    memory.ports = receivers.ports
    memory.save(folder)
    kept = memory.styles[play.style]
    receivers.trust(kept.secrets)
    return Api(port, kept)


def _switch_off_others(play: Play, memory: Memory, port: int) -> None:
    for style, kept in list(memory.styles.items()):
        if style != play.style and not _changed(
            Api(port, kept), kept, {name: {"active": False} for name in kept.webhooks}
        ):
            del memory.styles[style]


def _adjusted(play: Play, receivers: Receivers, memory: Memory, port: int) -> bool:
    """Whether the remembered webhooks exist; they follow receivers that moved."""
    kept = memory.styles.get(play.style)
    if kept is None:
        return False
    wanted: dict[str, Settings] = {
        name: {"url": receivers.urls[name], "style": play.style, "active": True}
        for name in kept.webhooks
    }
    return _changed(Api(port, kept), kept, wanted)


def _changed(api: Api, kept: Kept, wanted: dict[str, Settings]) -> bool:
    """Makes webhooks as they are wanted; False where the database is another one."""
    try:
        for name in kept.webhooks:
            there = api.webhook(name)
            if any(there[key] != value for key, value in wanted[name].items()):
                api.change_webhook(name, **wanted[name])
    except RefusedError as error:
        if error.status not in (401, 404):
            raise StackError(f"a webhook cannot be changed: {error}") from error
        return False
    return True


def _made(play: Play, receivers: Receivers) -> Kept:
    urls = receivers.urls
    wanted = {
        "style": play.style,
        "of_partners": play.of_partners,
        "webhooks": {
            name: {
                "url": urls[name],
                "retries": part.retries,
                "tenants": play.sees[name],
                "options": play.options(),
            }
            for name, part in CAST.items()
        },
    }
    made = subprocess.run(
        [sys.executable, "-m", "cdrhook.demo.prepare"],
        input=json.dumps(wanted),
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        raise StackError(f"tenants and webhooks cannot be made: {made.stderr.strip()}")
    return Kept(**json.loads(made.stdout))
