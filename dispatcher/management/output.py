"""How the management commands answer: one JSON line with --json, else a sentence.

Failures exit 1 with a problem on standard error (a problem document with --json); bad
usage exits 2, as argparse does. No traceback where the reason is known.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
from dataclasses import dataclass
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError

from dispatcher.models import Partner, Tenant
from dispatcher.pipeline import audit, replay
from dispatcher.pipeline.subscribe import RefusedError
from dispatcher.values import FieldError


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command has to say: for programs, and for people."""

    json: dict[str, Any]
    text: str


class Failure(Exception):  # noqa: N818  a failure, and it exits 1
    """The command could not do what it was asked; `errors` are arguments at fault."""

    def __init__(self, detail: str, *errors: FieldError) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors: tuple[FieldError, ...] = errors


class AnsweringCommand(BaseCommand):
    """A command that does one thing and says what came of it: see `answer`."""

    # Not Django's own: a program that reads our output must get nothing else.
    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Adds --json and what `arguments` adds."""
        parser.add_argument(
            "--json", action="store_true", help="answer with one line of JSON"
        )
        self.arguments(parser)

    def arguments(self, parser: CommandParser) -> None:
        """Adds the command's own arguments."""
        raise NotImplementedError

    def answer(self, **options: Any) -> Answer:
        """Does it. Raises Failure, RefusedError or ValidationError."""
        raise NotImplementedError

    def handle(self, *_args: Any, **options: Any) -> None:
        """Runs `answer` and prints what it returns, or why it failed."""
        name = type(self).__module__.rpartition(".")[2]
        try:
            with audit.acting(lambda: audit.Actor(f"command {name}")):
                answer = self.answer(**options)
        except (Failure, RefusedError, ValidationError, DatabaseError) as error:
            self._fail(_failure(error), as_json=options["json"])
        else:
            text = json.dumps(answer.json) if options["json"] else answer.text
            self.stdout.write(text)

    def _fail(self, failure: Failure, *, as_json: bool) -> None:
        if as_json:
            self.stderr.write(json.dumps(_problem(failure)), lambda text: text)
        else:
            lines = [f"{error.field}: {error.message}" for error in failure.errors]
            self.stderr.write("\n  ".join([failure.detail, *lines]))
        sys.exit(1)


def _failure(error: Exception) -> Failure:
    if isinstance(error, Failure):
        return error
    if isinstance(error, RefusedError):
        return Failure("The webhook may not be saved so.", *error.errors)
    if isinstance(error, ValidationError):
        return Failure("Arguments are at fault.", *_field_errors(error))
    return Failure(f"The database cannot be used: {error}")


def _field_errors(error: ValidationError) -> list[FieldError]:
    return [
        FieldError(field, message)
        for field, messages in error.message_dict.items()
        for message in messages
    ]


def _problem(failure: Failure) -> dict[str, Any]:
    """As RFC 9457 has it, without a status: there is no HTTP here."""
    problem: dict[str, Any] = {
        "type": "about:blank",
        "title": "The command failed",
        "detail": failure.detail,
    }
    if failure.errors:
        problem["errors"] = [
            {"field": error.field, "message": error.message} for error in failure.errors
        ]
    return problem


# Arguments that commands share ------------------------------------------------------


def add_owner(parser: CommandParser, *, required: bool = True) -> None:
    """Adds --tenant and --partner, of which one must be given, or at most one."""
    owner = parser.add_mutually_exclusive_group(required=required)
    owner.add_argument("--tenant", metavar="EXTERNAL_ID")
    owner.add_argument("--partner", metavar="ID")


def owner_of(options: dict[str, Any]) -> dict[str, Any]:
    """The owner named by --tenant or --partner, by the name of the model's field."""
    if options["tenant"] is not None:
        return {"tenant": tenant_called(options["tenant"])}
    return {"partner": partner_with_id(options["partner"])}


def tenant_called(external_id: str) -> Tenant:
    """The tenant, or Failure."""
    tenant = Tenant.objects.filter(external_id=external_id).first()
    if tenant is None:
        reason = f'there is no tenant "{external_id}"'
        raise Failure("Arguments are at fault.", FieldError("tenant", reason))
    return tenant


def partner_with_id(text: str) -> Partner:
    """The partner, or Failure."""
    try:
        return Partner.objects.get(pk=text)
    except (Partner.DoesNotExist, ValidationError):
        error = FieldError("partner", f'there is no partner with the id "{text}"')
        raise Failure("Arguments are at fault.", error) from None


def key_and_value(text: str) -> tuple[str, str]:
    """An argument written K=V."""
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f'"{text}" is not written K=V')
    return key, value


def rate(text: str) -> int:
    """How many a second: 1 to 10,000."""
    return whole_number(text, replay.MAX_PER_SECOND)


def hours(text: str) -> int:
    """How many hours back: 1 to ten years of them."""
    return whole_number(text, replay.MAX_HOURS)


def whole_number(text: str, most: int) -> int:
    """A whole number from 1 to `most`."""
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise argparse.ArgumentTypeError(
            f'"{text}" is not a whole number from 1 to {most}'
        )
    return int(text)


# Within the calendar's ends whatever offset is applied, or hour is added.
YEARS: Final = range(1970, 9999)


def moment(text: str) -> dt.datetime:
    """An ISO 8601 time or date; without an offset it is UTC."""
    try:
        parsed = dt.datetime.fromisoformat(text)
    except ValueError:
        parsed = None
    if parsed is None or parsed.year not in YEARS:
        raise argparse.ArgumentTypeError(
            f'"{text}" is not an ISO 8601 time such as 2026-11-23T00:15:23Z'
        )
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=dt.UTC)
