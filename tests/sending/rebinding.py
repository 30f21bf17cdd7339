"""Sends to names whose DNS answers change, and prints what became of it as JSON.

A program, because it leaves the machine's network (`namespace`). There a public address,
this machine and a cloud's metadata service all listen on port 80; the policy is as
strict as it comes, but for plain http; names are looked up by the system's getaddrinfo
at a real name server.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from contextlib import ExitStack
from typing import Any, Final
from uuid import UUID

from dispatcher.sending.client import Door
from dispatcher.sending.policy import SendPolicy
from dispatcher.sending.send import send
from dispatcher.values import Outcome, Outgoing, RenderedRequest
from tests.sending import namespace
from tests.sending.receiver import Receiver, answer

PUBLIC, INNER, METADATA = "93.184.215.14", "127.0.0.1", "169.254.169.254"
# Public as well, and there is no way to it.
AWAY: Final = "8.8.8.8"
DEADLINE: Final = dt.timedelta(seconds=9)

# By name: the answers of the name server, one after the other.
NAMES: Final[dict[str, list[list[str]]]] = {
    "rebound.example": [[PUBLIC], [INNER]],
    "cloud.example": [[PUBLIC], [METADATA], [PUBLIC]],
    "hasty.example": [[PUBLIC], [INNER], [INNER]],
    "mixed.example": [[INNER, METADATA, PUBLIC]],
    "bait.example": [[AWAY, INNER]],
    "inner.example": [[INNER]],
    "alias.example": [["inner.example"]],
    "mapped.example": [["::ffff:7f00:1"]],
    "translated.example": [["::ffff:0:7f00:1"]],
    "nat64.example": [["64:ff9b::7f00:1"]],
    "zero.example": [["0.0.0.0"]],  # noqa: S104  nothing is bound to it
    "empty.example": [[]],
}
# Which names are sent to, in order.
TRIES: Final = ("rebound.example", "cloud.example", "rebound.example", "cloud.example")
ONCE: Final = tuple(name for name in NAMES if name not in {*TRIES, "hasty.example"})
MISSING: Final = "missing.example"


def main() -> None:
    """Prints {"attempts": {name: [..]}, "asked": {name: n}, "connections": {..}}."""
    namespace.enter(PUBLIC, METADATA)
    with ExitStack() as stack:
        server = stack.enter_context(namespace.NameServer(NAMES))
        receivers = {
            address: stack.enter_context(_receiver(address))
            for address in (PUBLIC, INNER, METADATA)
        }
        keeping = stack.enter_context(_keeping())
        attempts = _attempts(keeping.port)
        found = {
            "attempts": attempts,
            "asked": server.asked,
            "connections": {a: r.connections for a, r in receivers.items()},
            "kept": keeping.connections,
        }
    json.dump(found, sys.stdout)


def _receiver(address: str) -> Receiver:
    return Receiver([answer(200, "Connection: close")], listen=(address, 80))


def _keeping() -> Receiver:
    """One that keeps its connections, so that no second look-up is due."""
    return Receiver([answer(200)], listen=(PUBLIC, 8080))


def _attempts(kept_port: int) -> dict[str, list[dict[str, Any]]]:
    door = Door(SendPolicy(allow_http=True, deadline=DEADLINE))
    attempts: dict[str, list[dict[str, Any]]] = {}
    urls = [(name, f"http://{name}/") for name in (*TRIES, *ONCE, MISSING)]
    urls += [("hasty.example", f"http://hasty.example:{kept_port}/")] * 2
    for name, url in urls:
        attempts.setdefault(name, []).append(_shown(_send(door, url)))
    door.close()
    return attempts


def _send(door: Door, url: str) -> Outcome:
    post = RenderedRequest(method="POST", content_type="text/plain", body=b"x")
    outgoing = Outgoing(delivery_id=UUID(int=1), url=url, request=post)
    return send(door, outgoing, clock=lambda: dt.datetime.now(dt.UTC))


def _shown(outcome: Outcome) -> dict[str, Any]:
    names = ("verdict", "error_class", "error", "detail", "address")
    return {name: getattr(outcome, name) for name in names}


if __name__ == "__main__":
    main()
