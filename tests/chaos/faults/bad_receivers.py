"""A receiver goes bad beside others that are well, and is good again.

The others must not be held up; what the bad one missed is tried again, replayed where it
has failed, and must all arrive in the end.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Final

import trustme

from tests.chaos import wicked
from tests.chaos.scene import BAD
from tests.chaos.values import Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.chaos.scene import Scene

# Within which 95 % of the calls must arrive at the others; a hanging request takes 10.
HURRIES: Final = 5.0
# What keeps a request until it is given up.
_LATE: Final = frozenset({"hang", "drip", "slow-tls"})


def _answers(mode: str, scene: Scene) -> None:
    scene.receivers.switch(BAD, mode)
    scene.wait(_bad_seconds(mode))
    if wicked.MODES[mode].answer != "200":
        _expect_reasons(scene)
    scene.receivers.switch(BAD, "ok")
    _replay(scene, _over_seconds(mode))


def _bad_seconds(mode: str) -> int:
    """A request is given up after 10 s."""
    return 12 if mode in _LATE else 6


def _over_seconds(mode: str) -> int:
    """Until the last tries of what the bad receiver had are over."""
    return 13 if mode in _LATE else 4


def _expect_reasons(scene: Scene) -> Counter[str]:
    """What the API says of the deliveries that failed, or wait for another try."""
    told = Counter(one.reason for one in scene.api.told(scene.named(BAD)))
    told.pop("", None)
    scene.expect(told, "no reason: the API tells of no failed attempt")
    scene.say(f"reasons told: {dict(told.most_common(3))}")
    return told


def _replay(scene: Scene, seconds: float) -> None:
    """What has failed is sent again, once its last tries are over."""
    scene.wait(seconds)
    hook = scene.named(BAD)
    since = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    path = f"/api/v1/webhooks/{hook.id}/replay"
    made = scene.api.send("POST", path, {"since": since.isoformat(), "state": "failed"})
    scene.say(f"replayed: {made}")


def _arrange_expired(scene: Scene) -> None:
    """A certificate that has expired, of an authority that the webhook trusts."""
    past = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    authority = trustme.CA()
    made = authority.issue_cert("127.0.0.1", not_before=past, not_after=past)
    scene.certificate = scene.work / "expired.pem"
    made.private_key_and_cert_chain_pem.write_to_path(str(scene.certificate))
    authority.cert_pem.write_to_path(str(_authority(scene)))


def _authority(scene: Scene) -> Path:
    return scene.work / "authority.pem"


def _expired(scene: Scene) -> None:
    authority = _authority(scene).read_text()
    told = _tls("expired", scene.receivers.tls_port, scene, ca_certificates=authority)
    expired = any("has expired" in reason for reason in told)
    scene.expect(expired, "no reason: the API does not tell that it has expired")


def _slow_tls(scene: Scene) -> None:
    _tls("slow-tls", scene.receivers.slow_tls_port, scene)


def _tls(mode: str, port: int, scene: Scene, **settings: str) -> Counter[str]:
    """The webhook goes to a port with bad TLS, and back; the reasons told meanwhile."""
    _change(scene, url=f"https://127.0.0.1:{port}{BAD}", **settings)
    scene.wait(_bad_seconds(mode))
    told = _expect_reasons(scene)
    plain = dict.fromkeys(settings, "")
    _change(scene, url=scene.receivers.url(BAD), **plain)
    _replay(scene, _over_seconds(mode))
    return told


def _change(scene: Scene, **settings: str) -> None:
    scene.api.send("PATCH", f"/api/v1/webhooks/{scene.named(BAD).id}", settings)


_MODES: Final = {
    "reset": "resets the connection",
    "hang": "hangs",
    "drip": "drips its headers",
    "garbage": "answers garbage",
    "huge": "answers 100 MB",
    "bomb": "answers a gzip bomb",
    "headers": "answers 10,000 headers",
    "invalid-utf8": "answers invalid UTF-8",
    "nul": "answers NUL bytes",
}


def _fault(
    name: str,
    what: str,
    strike: Callable[[Scene], None],
    arrange: Callable[[Scene], None] | None = None,
) -> Fault:
    return Fault(
        name=f"receiver-{name}",
        what=f"a receiver that {what}",
        strike=strike,
        arrange=arrange,
        bad_receiver=True,
        hurries=HURRIES,
        database="postgres",
        seconds=60,
    )


FAULTS: Final = (
    *(_fault(name, what, partial(_answers, name)) for name, what in _MODES.items()),
    _fault("slow-tls", "drips its TLS handshake", _slow_tls),
    _fault("expired", "has an expired certificate", _expired, _arrange_expired),
)
