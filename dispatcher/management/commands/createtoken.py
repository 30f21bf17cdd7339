"""`cdrhook createtoken --tenant EXTERNAL_ID --scope read`: makes an API token.

Without an end it is good until it is revoked: a PBX whose token ended by itself one night
would lose calls.
"""

from __future__ import annotations

import argparse
import datetime as dt
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from dispatcher.management.output import (
    Answer,
    AnsweringCommand,
    Failure,
    add_owner,
    moment,
    owner_of,
)
from dispatcher.models import ApiToken
from dispatcher.pipeline import tokens
from dispatcher.values import FieldError

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

SCOPES = ("ingest", "read", "manage")
MOST_DAYS = 3650


def _days(text: str) -> dt.timedelta:
    """A whole number of days, at most ten years of them."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_DAYS):
        raise argparse.ArgumentTypeError(f'"{text}" is not 1 to {MOST_DAYS}')
    return dt.timedelta(days=int(text))


class Command(AnsweringCommand):
    """Answers {"token"}: shown this once, stored hashed."""

    help = "Makes an API token of a tenant or a partner and shows it, this once."

    def arguments(self, parser: CommandParser) -> None:
        """Adds the owner, --scope, which may repeat, and until when it is good."""
        add_owner(parser)
        parser.add_argument(
            "--scope",
            action="append",
            required=True,
            choices=SCOPES,
            help="may be given several times; scopes do not imply each other",
        )
        parser.add_argument("--name", default="", help="what it is for")
        end = parser.add_mutually_exclusive_group()
        end.add_argument(
            "--expires-days",
            type=_days,
            metavar="N",
            help="good for so many days; without an end it is until it is revoked",
        )
        end.add_argument(
            "--expires", type=moment, metavar="T", help="good until this time"
        )

    def answer(self, **options: Any) -> Answer:
        """Makes it; only its digest is stored."""
        token = ApiToken(
            **owner_of(options),
            name=options["name"],
            expires_at=_end(options, timezone.now()),
            **{f"can_{scope}": scope in options["scope"] for scope in SCOPES},
        )
        text = tokens.make(token, now=timezone.now())
        return Answer({"token": text}, f"The token, shown this once:\n{text}")


def _end(options: dict[str, Any], now: dt.datetime) -> dt.datetime | None:
    days: dt.timedelta | None = options["expires_days"]
    end: dt.datetime | None = now + days if days is not None else options["expires"]
    if end is not None and end <= now:
        error = FieldError("expires", "is over already")
        raise Failure("Arguments are at fault.", error)
    return end
