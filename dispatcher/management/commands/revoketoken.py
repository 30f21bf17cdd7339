"""`cdrhook revoketoken --tenant EXTERNAL_ID --ending 1a2b`: ends a token at once.

By its last four characters, as lists show it, or by its whole text where it was found
somewhere it should not be (`-` reads that from standard input, which no shell remembers).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from django.utils import timezone

from dispatcher.management.output import (
    Answer,
    AnsweringCommand,
    Failure,
    add_owner,
    owner_of,
)
from dispatcher.models import ApiToken
from dispatcher.pipeline import tokens
from dispatcher.values import FieldError

if TYPE_CHECKING:
    from django.core.management.base import CommandParser
    from django.db.models import QuerySet

# Longer than any token: what is piped in by mistake is not read to its end.
MOST_CHARS: Final = 1000


class Command(AnsweringCommand):
    """Answers {"revoked": n}; exits 1 where there is no valid token to revoke."""

    help = "Revokes API tokens: the next request that bears one is answered 401."

    def arguments(self, parser: CommandParser) -> None:
        """Adds the owner, and by what a token is known."""
        add_owner(parser, required=False)
        known_by = parser.add_mutually_exclusive_group(required=True)
        known_by.add_argument(
            "--token", metavar="TEXT", help="its whole text; - reads it from input"
        )
        known_by.add_argument(
            "--ending", metavar="CHARS", help="its last four characters"
        )
        known_by.add_argument(
            "--all", action="store_true", help="every token of the owner"
        )

    def answer(self, **options: Any) -> Answer:
        """Revokes what is valid; a token that was revoked before stays as it is."""
        revoked = tokens.revoke(_meant(options), now=timezone.now())
        if not revoked:
            error = FieldError(_argument(options), "no token that is not revoked")
            raise Failure("Arguments are at fault.", error)
        return Answer({"revoked": revoked}, f"Revoked: {revoked}.")


def _meant(options: dict[str, Any]) -> QuerySet[ApiToken]:
    text: str | None = options["token"]
    if text is not None:
        text = sys.stdin.readline(MOST_CHARS).strip() if text == "-" else text
        return ApiToken.objects.filter(digest=ApiToken.digest_of(text))
    if options["tenant"] is None and options["partner"] is None:
        error = FieldError("tenant", "or partner: say whose token it is")
        raise Failure("Arguments are at fault.", error)
    owned = ApiToken.objects.filter(**owner_of(options))
    return owned if options["all"] else owned.filter(hint=options["ending"])


def _argument(options: dict[str, Any]) -> str:
    return next(name for name in ("token", "ending", "all") if options[name])
