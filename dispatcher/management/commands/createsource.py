"""`cdrhook createsource --tenant EXTERNAL_ID --name NAME --pbx KIND`: makes a source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from dispatcher.adapters import kinds
from dispatcher.management.output import (
    Answer,
    AnsweringCommand,
    Failure,
    tenant_called,
)
from dispatcher.models import Source
from dispatcher.pipeline import sources
from dispatcher.values import FieldError

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

# Options that are settings of the same name; left out, the model's default holds.
_SETTINGS = (
    "time_zone", "region", "legs", "leg_wait_seconds", "uid_prefix",
    "folder", "file_format", "table",
)  # fmt: skip


class Command(AnsweringCommand):
    """Answers {"id", "url", "token"}; both null where it does not push."""

    help = "Makes a source, a PBX of a tenant, and shows its token, this once."

    def arguments(self, parser: CommandParser) -> None:
        """Adds whose it is, its name and kind, and its settings."""
        add = parser.add_argument
        add("--tenant", required=True, metavar="EXTERNAL_ID")
        add("--name", required=True, metavar="NAME", help="a part of its URL")
        add(
            "--pbx",
            required=True,
            metavar="KIND",
            help=", ".join(sorted(kinds.kinds())),
        )
        add("--time-zone", metavar="TZ", help="of times without one")
        add("--region", metavar="CC", help="two letters, of national numbers")
        add("--legs", choices=(Source.PER_LEG, Source.PER_CALL))
        add("--leg-wait-seconds", type=int, metavar="N")
        add("--uid-prefix", metavar="TEXT", help="put before its records' ids")
        add(
            "--allow",
            action="append",
            default=[],
            metavar="NETWORK",
            help="that may push; may be given several times; none: any",
        )
        add("--secret-file", type=Path, metavar="FILE", help="what the PBX signs with")
        add("--folder", metavar="PATH", help="watched for files")
        add("--file-format", metavar="NAME", help="of the folder's files")
        add(
            "--connection-file",
            type=Path,
            metavar="FILE",
            help="a URL with login, such as ami://, in its first line",
        )
        add("--table", metavar="NAME", help="that calls are read from")

    def answer(self, **options: Any) -> Answer:
        """Makes it and, if it pushes, a token that is good for it alone."""
        given = {name: options[name] for name in _SETTINGS if options[name] is not None}
        source = Source(
            tenant=tenant_called(options["tenant"]),
            name=options["name"],
            pbx=options["pbx"],
            allowed_networks="\n".join(options["allow"]),
            secret=_first_line("secret_file", options),
            connection=_first_line("connection_file", options),
            **given,
        )
        _judge(source)
        now, token = timezone.now(), None
        with transaction.atomic():
            sources.save(source, now=now)
            if kinds.pushes(source.pbx):
                token = sources.new_token(source, now=now)
        url = sources.url_of(source)
        shown = f"\n{url}\nIts token, shown this once:\n{token}" if token else ""
        return Answer(
            {"id": str(source.pk), "url": url or None, "token": token},
            f"Source {source.name} of {source.tenant} made.{shown}",
        )


def _judge(source: Source) -> None:
    source.full_clean()
    if errors := sources.refusals(source):
        raise ValidationError({error.field: error.message for error in errors})


def _first_line(option: str, options: dict[str, Any]) -> str:
    """Secrets come from files, since everybody on a machine may read arguments."""
    path: Path | None = options[option]
    if path is None:
        return ""
    try:
        return path.read_text().partition("\n")[0].rstrip("\r")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        name = option.removesuffix("_file")
        fault = FieldError(name, f"{path} cannot be read: {why}")
        raise Failure("Arguments are at fault.", fault) from None
