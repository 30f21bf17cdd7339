"""`cdrhook createwebhook --tenant EXTERNAL_ID --url URL --style S`: makes a webhook."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from dispatcher import tasks
from dispatcher.filters import conditions
from dispatcher.management.output import (
    Answer,
    AnsweringCommand,
    Failure,
    add_owner,
    hours,
    key_and_value,
    owner_of,
)
from dispatcher.pipeline import replay
from dispatcher.pipeline.subscribe import WebhookDraft, create_webhook
from dispatcher.values import FieldError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.core.management.base import CommandParser

    from dispatcher.models import Webhook
    from dispatcher.values import Filter

# Options that are settings of the same name; left out, the draft's default holds.
_SETTINGS = (
    "url",
    "style",
    "method",
    "format",
    "retries",
    "secret",
    "max_in_flight",
    "when_down",
    "batch_size",
    "batch_seconds",
    "resource",
    "late_records",
    "mask",
    "mask_digits",
)

# Secrets come from files, since everybody on a machine may read arguments.
FILES = {
    "ca-file": ("ca_certificates", "PEM, trusted in place of the public authorities"),
    "client-cert-file": ("client_certificate", "PEM, with its chain"),
    "client-key-file": ("client_key", "PEM, without a passphrase"),
    "basic-password-file": ("basic_password", "of Basic auth; its first line"),
}


class Command(AnsweringCommand):
    """Answers {"id", "secret"}; `secret` is null where there is none."""

    help = "Makes a webhook and shows its signing secret, this once."

    def arguments(self, parser: CommandParser) -> None:
        """Adds the owner and the webhook's settings."""
        add_owner(parser)
        add = parser.add_argument
        add("--url", required=True, metavar="URL")
        add("--style", required=True, metavar="S", help="envelope, flat, batch or feed")
        add("--method", metavar="M", help="POST (default), PUT or GET")
        add("--format", choices=("json", "form"))
        add("--retries", type=int, metavar="N", help="0 to 10, default 1")
        add("--filter", action="append", default=[], metavar="FIELD:OP:VALUE")
        add("--custom", action="append", default=[], type=key_and_value, metavar="K=V")
        add("--header", action="append", default=[], type=key_and_value, metavar="K=V")
        add("--secret", metavar="TEXT|none", help="left out: one is made")
        add("--max-in-flight", type=int, metavar="N")
        add("--when-down", choices=("hold", "try", "fail"))
        add("--batch-size", type=int, metavar="N")
        add("--batch-seconds", type=int, metavar="N")
        add("--resource", choices=("analytics", "billing"))
        add("--late-records", choices=("send", "api_only"))
        add("--empty-windows", action="store_true", help="a feed sends those, too")
        add("--mask", choices=("digits", "hash"), help="numbers are sent so")
        add("--mask-digits", type=int, metavar="N", help="last digits, default 4")
        add(
            "--allow",
            action="append",
            default=[],
            metavar="FIELD",
            help="is sent of a"
            " call, with others that are named so; without any: everything",
        )
        add("--inactive", action="store_true")
        for option, (_, what) in FILES.items():
            add(f"--{option}", type=Path, metavar="FILE", help=what)
        add("--basic-user", default="", metavar="USER", help="of Basic auth")
        add(
            "--last-hours",
            type=hours,
            metavar="N",
            help="it gets the calls of so many hours before it, too",
        )

    def answer(self, **options: Any) -> Answer:
        """Makes it, if `pipeline.draft` lets it be saved."""
        given = {name: options[name] for name in _SETTINGS if options[name] is not None}
        draft = WebhookDraft(
            **owner_of(options),
            **given,
            filters=tuple(_filters(options["filter"])),
            custom_data=tuple(options["custom"]),
            headers=tuple(options["header"]),
            allowed_fields=tuple(options["allow"]),
            active=not options["inactive"],
            empty_windows=options["empty_windows"],
            basic_username=options["basic_user"],
            **_files(options),
        )
        webhook, secret = create_webhook(draft, now=timezone.now())
        past = _give(webhook, options["last_hours"])
        signed = f"Its secret, shown this once:\n{secret}" if secret else "Unsigned."
        return Answer(
            {"id": str(webhook.pk), "secret": secret or None},
            f"Webhook {webhook.pk} made.{past} {signed}",
        )


def _give(webhook: Webhook, last_hours: int | None) -> str:
    """Starts giving it the calls of so many hours; says so, as a sentence."""
    if last_hours is None:
        return ""
    now = timezone.now()
    wish = replay.of_last_hours(webhook, last_hours, now=now)
    started = replay.start(wish, now=now, by="command")
    tasks.wake_up(started.wake)
    return f" It gets those of {started.count} past calls that its filters let through."


def _files(options: dict[str, Any]) -> dict[str, Any]:
    """The settings whose values stand in files."""
    paths = {
        name: options[option.replace("-", "_")] for option, (name, _) in FILES.items()
    }
    texts = {
        name: _text(name, path) for name, path in paths.items() if path is not None
    }
    if "basic_password" in texts:
        texts["basic_password"] = (
            texts["basic_password"].partition("\n")[0].rstrip("\r")
        )
    return texts


def _text(name: str, path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        fault = FieldError(name, f"{path} cannot be read: {why}")
        raise Failure("The webhook may not be saved so.", fault) from None


def _filters(texts: Iterable[str]) -> Iterable[Filter]:
    for index, text in enumerate(texts):
        try:
            yield conditions.parse(text)
        except conditions.BadFilterError as error:
            fault = FieldError(f"filters.{index}", error.error.message)
            raise Failure("The webhook may not be saved so.", fault) from None
