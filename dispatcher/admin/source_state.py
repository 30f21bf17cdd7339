"""How a source is: whether records come, can be read, and how long ago the last did.

Reads by index, and counts no further than it shows.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Max, Min
from django.urls import reverse

from dispatcher.admin.labels import label
from dispatcher.admin.moments import absolute, both, relative
from dispatcher.admin.paging import count_text, counted_up_to
from dispatcher.admin.readonly import page_of
from dispatcher.models import CallLeg, QuarantinedRecord, RawRecord, StoredCdr
from dispatcher.models.ids import first_id_at, moment_of

if TYPE_CHECKING:
    from django.utils.safestring import SafeString

    from dispatcher.models import Source

GREY, GREEN, AMBER, RED = "grey", "green", "amber", "red"
LISTED: Final = 10
COUNTED: Final = 10_000
HOUR: Final = dt.timedelta(hours=1)
_LABELS: Final = {GREY: "plain", GREEN: "good", AMBER: "warn", RED: "bad"}
_WORDS: Final = {
    GREY: "waiting",
    GREEN: "receiving",
    AMBER: "not understood",
    RED: "silent",
}


@dataclass(frozen=True, slots=True)
class Light:
    """A colour, and why: one or two sentences."""

    colour: str
    text: str


def light_of(source: Source, now: dt.datetime) -> Light:
    """Grey: nothing came yet. Amber: what came last cannot be read. Red: silence."""
    if not source.active:
        return Light(GREY, "switched off")
    first, last = _ends(source)
    refused = _last_refused(source)
    if refused is not None and (last is None or refused > last):
        return Light(
            AMBER, f"records come but cannot be read, last {relative(refused, now)}"
        )
    if last is None or first is None:
        return Light(GREY, "no record yet")
    if source.silent_since is not None:
        return Light(RED, f"silent since {absolute(source.silent_since)} UTC")
    since, ago = absolute(first), relative(last, now)
    return Light(GREEN, f"first record at {since} UTC, last {ago}")


def short_light(source: Any) -> SafeString:
    """A label for lists; `source.last_id` is that of its last record."""
    if not source.active:
        return label("off", "warn")
    if source.silent_since is not None:
        return label("silent", "bad")
    if source.last_id is None:
        return label("no record yet")
    return label("receiving", "good")


def _ends(source: Source) -> tuple[dt.datetime | None, dt.datetime | None]:
    """When its first and its last record came, of those that are kept."""
    keys = RawRecord.objects.filter(source=source).values_list("cdr_id", flat=True)
    first, last = keys.order_by("cdr_id").first(), keys.order_by("-cdr_id").first()
    if first is None or last is None:
        return _ends_of_waiting(source)
    return moment_of(first), moment_of(last)


def _ends_of_waiting(source: Source) -> tuple[dt.datetime | None, dt.datetime | None]:
    """The same of legs, of which no call has been made yet: they have come as well."""
    legs = CallLeg.objects.filter(source=source, due_at__isnull=False)
    ends = legs.aggregate(first=Min("received_at"), last=Max("received_at"))
    return ends["first"], ends["last"]


def _last_refused(source: Source) -> dt.datetime | None:
    refused = QuarantinedRecord.objects.filter(from_source=source)
    return (
        refused.order_by("-last_seen_at").values_list("last_seen_at", flat=True).first()
    )


def state_of(source: Source, now: dt.datetime) -> dict[str, Any]:
    """What the top of a source's pages says of it."""
    shown = light_of(source, now)
    in_hour = RawRecord.objects.filter(
        source=source, cdr_id__gte=first_id_at(now - HOUR)
    )
    return {
        "colour": shown.colour,
        "label": label(_WORDS[shown.colour], _LABELS[shown.colour]),
        "text": shown.text,
        "in_hour": count_text(counted_up_to(in_hour, COUNTED), COUNTED),
        "records": [_record(cdr, now) for cdr in _recent(source)],
        "refused": [_refused(one, now) for one in _recently_refused(source)],
        "quarantine": reverse("admin:dispatcher_quarantinedrecord_changelist")
        + f"?from_source__id__exact={source.pk}",
    }


def _recent(source: Source) -> list[StoredCdr]:
    keys = RawRecord.objects.filter(source=source).order_by("-cdr_id")
    newest = list(keys.values_list("cdr_id", flat=True)[:LISTED])
    return list(StoredCdr.objects.filter(pk__in=newest).defer("record").order_by("-pk"))


def _record(cdr: StoredCdr, now: dt.datetime) -> dict[str, Any]:
    return {
        "page": page_of(cdr),
        "uid": cdr.uid,
        "numbers": f"{cdr.caller_number or '?'} → {cdr.dialed_number or '?'}",
        "disposition": cdr.disposition,
        "direction": cdr.direction,
        "accepted": both(cdr.accepted_at, now),
    }


def _recently_refused(source: Source) -> list[QuarantinedRecord]:
    refused = QuarantinedRecord.objects.filter(from_source=source)
    return list(refused.defer("body").order_by("-last_seen_at")[:LISTED])


def _refused(record: QuarantinedRecord, now: dt.datetime) -> dict[str, Any]:
    return {
        "page": page_of(record),
        "reason": record.reason,
        "times": record.times_seen,
        "seen": both(record.last_seen_at, now),
    }
