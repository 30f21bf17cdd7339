"""`cdrhook receive`: a receiver on 127.0.0.1 for trying things out."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from cdrhook.receiver import Answer, Received, Receiver, parse_answers

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

SHOWN_BODY_CHARACTERS = 200


def as_json(received: Received) -> str:
    """One line of JSON; the body as text."""
    return json.dumps(
        {
            "time": received.time.isoformat(),
            "method": received.method,
            "path": received.path,
            "query": received.query,
            "headers": received.headers,
            "body": received.body.decode(errors="replace"),
            "webhook_id": received.webhook_id,
            "signature": received.signature,
            "spark_signature": received.spark_signature,
            "answered": received.answered,
        },
        ensure_ascii=False,
    )


def as_text(received: Received) -> str:
    """One line for people; long bodies are cut."""
    shown = (received.body or received.query.encode()).decode(errors="replace")
    shown = " ".join(shown.split())
    if len(shown) > SHOWN_BODY_CHARACTERS:
        shown = shown[:SHOWN_BODY_CHARACTERS] + "..."
    return (
        f"{received.time.astimezone():%H:%M:%S} {received.method} {received.path}"
        f" -> {received.answered}  webhook-id {received.webhook_id or '-'}"
        f"  signature {received.signature}{_of_feed(received)}"
        f"  {len(received.body)} bytes  {shown}"
    )


def _of_feed(received: Received) -> str:
    """What only a feed's deliveries have: the older signature, and their window."""
    text = ""
    if received.spark_signature != "none":
        text += f"  X-Spark-Signature {received.spark_signature}"
    headers = received.headers
    if "cdrhook-window-start" in headers:
        start, end, number, count = (
            headers.get(f"cdrhook-{name}", "-")
            for name in ("window-start", "window-end", "sequence", "count")
        )
        text += f"  window {start} to {end}  sequence {number}  count {count}"
    return f"{text}  late" if headers.get("cdrhook-late") == "1" else text


def _answers(text: str) -> tuple[Answer, ...]:
    try:
        return parse_answers(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


class Command(BaseCommand):
    """Prints what it receives until SIGINT or SIGTERM. Needs no database."""

    help = "A receiver on 127.0.0.1 for trying things out."
    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Options as in DESIGN, "Commands"."""
        parser.add_argument(
            "--port", type=int, required=True, help="0: a free port, which is printed"
        )
        parser.add_argument("--secret", default="", help="verify signatures with this")
        parser.add_argument(
            "--respond",
            type=_answers,
            default=(200,),
            metavar="200,500,hang,drip",
            help="answers to each webhook-id, in this order; the last one repeats",
        )
        parser.add_argument("--json", action="store_true", help="a JSON line a request")

    def handle(self, *_args: object, **options: Any) -> None:
        """Serves until it is told to stop."""
        line = as_json if options["json"] else as_text
        try:
            receiver = Receiver(
                options["port"],
                tell=lambda received: self._print(line(received)),
                answers=options["respond"],
                secret=options["secret"],
            )
        except (OSError, OverflowError) as error:
            raise CommandError(
                f"Cannot listen on port {options['port']}: {error}"
            ) from error
        # With --json, standard output is for the lines about requests alone.
        out = self.stderr if options["json"] else self.stdout
        out.write(f"listening on http://127.0.0.1:{receiver.port}")
        out.flush()
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with contextlib.suppress(KeyboardInterrupt):
            receiver.serve()

    def _print(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
