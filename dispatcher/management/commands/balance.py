"""`cdrhook balance`: whether what came in and what became of it add up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils import timezone

from dispatcher.management.output import (
    Answer,
    AnsweringCommand,
    Failure,
    moment,
    tenant_called,
)
from dispatcher.models import Tenant
from dispatcher.pipeline.balance import balance
from dispatcher.pipeline.statement import RangeRefusedError, hours_asked, statement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.core.management.base import CommandParser

_RECORDS = (
    *("received", "accepted", "revised", "duplicates"),
    *("joined", "rejected", "quarantined"),
)
_AT_WEBHOOK = (
    *("matched", "filtered", "dropped", "delivered", "failed", "held"),
    *("cancelled", "pending", "waiting", "late", "gone"),
)


class Command(AnsweringCommand):
    """Answers {"balanced": bool, "tenants": [..]}, tenants as GET /api/v1/balance."""

    help = (
        "Totals of what was received and what became of it, per tenant and hour, and"
        " whether they add up."
    )

    def arguments(self, parser: CommandParser) -> None:
        """Adds whose, the range, and whether to fail."""
        parser.add_argument(
            "--tenant", metavar="EXTERNAL_ID", help="default: every tenant"
        )
        parser.add_argument(
            "--since", type=moment, metavar="TIME", help="default: 24 hours before"
        )
        parser.add_argument("--until", type=moment, metavar="TIME", help="default: now")
        parser.add_argument(
            "--check", action="store_true", help="exit 1 when it does not add up"
        )

    def answer(self, **options: Any) -> Answer:
        """Reads the balance of each tenant."""
        try:
            since, until = hours_asked(
                options["since"], options["until"], timezone.now()
            )
        except RangeRefusedError as refused:
            raise Failure("Arguments are at fault.", refused.error) from None
        told = [
            statement(tenant, balance(tenant, since, until), since, until)
            for tenant in _tenants(options["tenant"])
        ]
        self.balanced = all(one["totals"]["balanced"] for one in told)
        return Answer(
            {"balanced": self.balanced, "tenants": told},
            "\n".join(
                [
                    *_lines(told),
                    "It adds up." if self.balanced else "It does NOT add up.",
                ]
            ),
        )

    def handle(self, *arguments: Any, **options: Any) -> None:
        """With --check, it fails after it has answered."""
        super().handle(*arguments, **options)
        if options["check"] and not self.balanced:
            self._fail(Failure("The balance does not add up."), as_json=options["json"])


def _tenants(name: str | None) -> Iterable[Tenant]:
    if name is not None:
        return [tenant_called(name)]
    return Tenant.objects.order_by("external_id").iterator()


def _lines(told: Iterable[dict[str, Any]]) -> Iterator[str]:
    for one in told:
        totals = one["totals"]
        yield f"{one['tenant']}, {one['since']} to {one['until']}"
        yield f"  {_numbers(totals, _RECORDS)}"
        if one["legs_waiting"]:
            yield f"  legs that wait for the others of their calls: {one['legs_waiting']}"
        for webhook in totals["webhooks"]:
            yield f"  {webhook['webhook']} {webhook['url']}"
            yield f"    {_numbers(webhook, _AT_WEBHOOK)}"
            for entry in webhook["filtered"]:
                yield f"    filtered out by {entry['filter']}: {entry['count']}"
        for hour in one["hours"]:
            for difference in hour["difference"]:
                yield f"  {hour['hour']}: {_told(difference)}"


def _numbers(counts: dict[str, Any], names: Iterable[str]) -> str:
    return ", ".join(f"{_number(counts[name])} {name}" for name in names)


def _number(value: Any) -> int:
    """A count; of several, their sum."""
    if isinstance(value, dict):
        return sum(value.values())
    if isinstance(value, list):
        return sum(entry["count"] for entry in value)
    return int(value)


def _told(difference: dict[str, Any]) -> str:
    whose = f" of {difference['webhook']}" if difference["webhook"] else ""
    return (
        f"{difference['what']}{whose}: {difference['counted']} counted,"
        f" {difference['found']} found"
    )
