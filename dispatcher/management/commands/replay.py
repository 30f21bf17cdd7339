"""`cdrhook replay --webhook ID --since T`: sends deliveries of a time range again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.utils import timezone

from dispatcher import tasks
from dispatcher.management.output import (
    Answer,
    AnsweringCommand,
    Failure,
    moment,
    rate,
)
from dispatcher.models import Webhook
from dispatcher.pipeline import replay
from dispatcher.values import FieldError

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(AnsweringCommand):
    """Answers {"deliveries": n}: existing deliveries, chosen by when they were made."""

    help = "Sends deliveries again: the same ids and bytes, with their tries anew."

    def arguments(self, parser: CommandParser) -> None:
        """Adds the webhook, the range and --state, which may repeat."""
        parser.add_argument("--webhook", required=True, metavar="ID")
        parser.add_argument("--since", required=True, type=moment, metavar="T")
        parser.add_argument("--until", type=moment, metavar="T")
        parser.add_argument(
            "--state",
            action="append",
            choices=("failed", "delivered", "cancelled"),
            help="may be given several times; default: failed",
        )
        parser.add_argument(
            "--per-second", type=rate, metavar="N", help="left out: no limit"
        )
        parser.add_argument(
            "--preview", action="store_true", help="only says how many it would be"
        )

    def answer(self, **options: Any) -> Answer:
        """Starts it and wakes the webhook up, unless they are only to be counted."""
        now = timezone.now()
        wish = replay.of_range(
            _webhook(options["webhook"]),
            since=options["since"],
            until=options["until"],
            states=options["state"] or ["failed"],
            per_second=options["per_second"],
            now=now,
        )
        if options["preview"]:
            count = replay.count(wish)
            return Answer({"deliveries": count}, f"{count} deliveries would go out.")
        started = replay.start(wish, now=now, by="command")
        tasks.wake_up(started.wake)
        return Answer({"deliveries": started.count}, _told(started))


def _told(started: replay.Started) -> str:
    text = f"{started.count} deliveries go out again."
    if started.replay is None or started.replay.ended_at is not None:
        return text
    return f"{text} How far it is: /api/v1/replays/{started.replay.pk}"


def _webhook(text: str) -> Webhook:
    try:
        return Webhook.objects.get(pk=text, deleted_at__isnull=True)
    except (Webhook.DoesNotExist, ValidationError):
        error = FieldError("webhook", f'there is no webhook with the id "{text}"')
        raise Failure("Arguments are at fault.", error) from None
