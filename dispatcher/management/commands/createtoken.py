"""`cdrhook createtoken --tenant EXTERNAL_ID --scope read`: makes an API token."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from dispatcher.management.output import Answer, AnsweringCommand, add_owner, owner_of
from dispatcher.models import ApiToken

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

SCOPES = ("ingest", "read", "manage")


class Command(AnsweringCommand):
    """Answers {"token"}: shown this once, stored hashed."""

    help = "Makes an API token of a tenant or a partner and shows it, this once."

    def arguments(self, parser: CommandParser) -> None:
        """Adds the owner and --scope, which may repeat."""
        add_owner(parser)
        parser.add_argument(
            "--scope",
            action="append",
            required=True,
            choices=SCOPES,
            help="may be given several times; scopes do not imply each other",
        )

    def answer(self, **options: Any) -> Answer:
        """Makes it; only its digest is stored."""
        token = f"cdr_{secrets.token_urlsafe(32)}"
        ApiToken.objects.create(
            **owner_of(options),
            digest=ApiToken.digest_of(token),
            hint=token[-4:],
            **{f"can_{scope}": scope in options["scope"] for scope in SCOPES},
        )
        return Answer({"token": token}, f"The token, shown this once:\n{token}")
