"""`cdrhook replay --webhook ID --since T`: sends deliveries of a time range again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.utils import timezone

from dispatcher import tasks
from dispatcher.management.output import Answer, AnsweringCommand, Failure, moment
from dispatcher.models import Webhook
from dispatcher.pipeline import resend
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

    def answer(self, **options: Any) -> Answer:
        """Makes them pending again and wakes the webhook up."""
        replayed = resend.replay(
            _webhook(options["webhook"]),
            since=options["since"],
            until=options["until"],
            states=options["state"] or ["failed"],
            now=timezone.now(),
        )
        tasks.wake_up(replayed.wake)
        count = replayed.deliveries
        return Answer({"deliveries": count}, f"{count} deliveries go out again.")


def _webhook(text: str) -> Webhook:
    try:
        return Webhook.objects.get(pk=text, deleted_at__isnull=True)
    except (Webhook.DoesNotExist, ValidationError):
        error = FieldError("webhook", f'there is no webhook with the id "{text}"')
        raise Failure("Arguments are at fault.", error) from None
