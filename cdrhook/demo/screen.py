"""What the demo shows: one line an event, in colour on a terminal.

Decides nothing; turns deliveries, as the API lists them, into lines.
"""

from __future__ import annotations

import datetime as dt
import os
from typing import IO, TYPE_CHECKING, Any, Final

from cdrhook.supervisor.output import swallow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cdrhook.receiver import Received

GREEN: Final = "32"
YELLOW: Final = "33"
RED: Final = "31"
BOLD: Final = "1"
DIM: Final = "2"


class Screen:
    """Prints to `stream`, flushed line by line.

    `is_gone`: nobody reads any more (a closed terminal, `make demo | head`); from then
    on what is printed is lost, and nothing fails.
    """

    def __init__(self, stream: IO[str]) -> None:
        self.is_gone = False
        self._stream = stream
        self._colours = stream.isatty() and not os.environ.get("NO_COLOR")

    def line(self, text: str = "", colour: str = "") -> None:
        """Prints one line."""
        if colour and self._colours:
            text = f"\x1b[{colour}m{text}\x1b[0m"
        try:
            self._stream.write(text + "\n")
            self._stream.flush()
        except OSError:
            self.is_gone = True
            swallow(self._stream)

    def event(self, now: dt.datetime, calls: str, text: str, colour: str = "") -> None:
        """Prints what happened to a call, or to several."""
        local = now.astimezone()
        self.line(f"{local:%H:%M:%S}  {calls:<11} {text}", colour)

    def detail(self, text: str) -> None:
        """Prints something more about the event before."""
        self.line(f"{'':<22}{text}")

    def address(self, admin: str, user: str, password: str, kept_in: str) -> None:
        """Prints where to look and how to log in."""
        self.line()
        for name, value in (
            ("Admin", f"{admin}/admin/"),
            ("User", user),
            ("Password", f"{password}   (kept in {kept_in})"),
            ("Deliveries", f"{admin}/admin/webhook/webhookcdr/"),
            ("API", f"{admin}/api/v1/docs"),
        ):
            self.line(f"  {name:<12}{value}", BOLD)
        self.line()


def attempt_text(
    webhook: str,
    attempt: Mapping[str, Any],
    fate: str,
    proof: str,
) -> tuple[str, str]:
    """How an attempt ended, and the colour to say it in; `proof` is of its signature."""
    seconds = (attempt["duration_ms"] or 0) / 1000
    took = f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
    outcome = str(attempt["status_code"] or attempt["error_class"] or "failed")
    delivered = not attempt["error_class"]
    extras = [proof if delivered else "", fate]
    said = "; ".join(text for text in extras if text)
    text = f"{webhook:<9} attempt {attempt['number']}  {outcome} after {took}"
    colour = GREEN if delivered else RED if fate == GIVEN_UP else YELLOW
    return f"{text}; {said}" if said else text, colour


def carried_text(uids: Sequence[str]) -> str:
    """What a delivery carries: the call, or the first call and how many more."""
    more = f"+{len(uids) - 1}" if len(uids) > 1 else ""
    return f"{uids[0][:8]}{more}" if uids else ""


def proof_of(received: Received | None) -> str:
    """What the receiver found out about the signatures; "" where it got nothing."""
    if received is None:
        return ""
    text = f"signature {received.signature}"
    if received.spark_signature != "none":
        text += f", X-Spark-Signature {received.spark_signature}"
    return text


GIVEN_UP: Final = "given up: failed, can be sent again in the admin"


def fate_of(delivery: Mapping[str, Any], number: int, now: dt.datetime) -> str:
    """What comes after attempt `number` of a delivery, as far as it is the last one."""
    last = delivery["attempts"][-1]
    # An attempt that has delivered it may be told a moment before its state is.
    if number != last["number"] or not last["error_class"]:
        return ""
    if delivery["state"] == "failed":
        return GIVEN_UP
    if delivery["state"] == "held":
        return "held: the receiver is down"
    if delivery["state"] == "pending" and delivery["next_attempt_at"]:
        due = dt.datetime.fromisoformat(delivery["next_attempt_at"])
        wait = max(0.0, (due - now).total_seconds())
        return f"again in {wait:.0f} s" if round(wait) else "again at once"
    return ""
