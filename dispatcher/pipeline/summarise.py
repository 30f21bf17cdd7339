"""Has recorded calls transcribed and summarised, one request to a service at a time.

waiting -submit-> transcribing -poll..-> summarising -summarise-> ready, or failed.

The constraints, and what follows from them:

1. A service may take hours, or never answer. Therefore each step is one request whose
   end is recorded with the time of the next; requests that fail are bounded, and so are
   polls.
2. A worker can die at any point. Therefore a step is a claim: a lease on the row, and
   every write is conditional on its token. When it has run out, the step is made anew.
3. A key that is refused would be refused for the next thousand calls. Therefore it
   stops all summaries of the tenant, with a notice on the integration whose key it is;
   they wait, and go on as soon as `integrate` has ended the notice.
4. No database connection is held, and no transaction open, while a service is asked.

When a summary is ready, it is owed to the batch webhooks that were owed the call.
Bundles and sends nothing.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import structlog
from django.conf import settings
from django.db import close_old_connections, transaction
from django.db.models import (
    BooleanField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    Window,
)
from django.db.models.functions import RowNumber

from dispatcher import summaries
from dispatcher.adapters import cdr_json
from dispatcher.models import CallSummary, CdrRevision, Integration, OwedCdr, StoredCdr
from dispatcher.models.encryption import UndecryptableError, readable
from dispatcher.pipeline.recording import recording_url
from dispatcher.summaries import summariser, transcriber
from dispatcher.summaries.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.db.models import QuerySet

    from dispatcher.models import Tenant

log = structlog.get_logger(__name__)

# Longer than any request takes, so that nothing is asked twice.
LEASE: Final = dt.timedelta(seconds=120)
FIRST_POLL: Final = dt.timedelta(seconds=3)
LONGEST_POLL: Final = dt.timedelta(seconds=30)
POLL_GROWTH: Final = 1.25
# With the longest interval between them: two hours.
MAX_POLLS: Final = 250
# Requests in a row that fail; with the waits between them: an hour and a half.
MAX_TRIES: Final = 8
FIRST_RETRY: Final = dt.timedelta(seconds=10)
LONGEST_RETRY: Final = dt.timedelta(minutes=30)
# As long as a service may ask for by Retry-After.
LONGEST_WAIT: Final = dt.timedelta(hours=1)
UNDECRYPTABLE_WAIT: Final = dt.timedelta(seconds=60)

# thehub.txt: what is sent of a call in which nobody speaks.
NO_SPEECH: Final = "No speech"
NO_SPEECH_SUMMARY: Final = "The call had no speech."
NOT_INSTALLED: Final = (
    "No summaries are made: the services' SDKs are missing. Install"
    " cdrhook[summaries] and start cdrhook again."
)
_OPEN: Final = (CallSummary.WAITING, CallSummary.TRANSCRIBING, CallSummary.SUMMARISING)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claimed:
    """A summary whose next step is ours; `audio_url` is "" if the recording is gone."""

    summary_id: UUID
    tenant: Tenant
    cdr: StoredCdr
    state: str
    token: UUID
    transcript_id: str
    transcription: str
    tries: int
    polls: int
    integration_id: UUID
    openai_key: str = field(repr=False)
    assemblyai_key: str = field(repr=False)
    audio_url: str = field(repr=False)


# Taking calls in ----------------------------------------------------------------------


def note_recorded(tenant: Tenant, cdr_ids: Sequence[UUID], now: dt.datetime) -> int:
    """Has recorded calls of a tenant summarised, if it wants that; returns how many.

    For the transaction that takes them in. A call that came before is left as it is.
    """
    if not cdr_ids or not wanted(tenant):
        return 0
    rows = [
        CallSummary(tenant=tenant, cdr_id=cdr_id, next_step_at=now, created_at=now)
        for cdr_id in sorted(set(cdr_ids))
    ]
    CallSummary.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def wanted(tenant: Tenant) -> bool:
    """Whether the integration in force has summaries made; one query.

    Also while a notice holds them up: they wait for its end.
    """
    integration = Integration.in_force(tenant)
    return integration is not None and _is_set_up(integration)


def _is_set_up(integration: Integration) -> bool:
    keys = integration.openai_key and integration.assemblyai_key
    return integration.call_summary and bool(keys)


# What is due --------------------------------------------------------------------------


def due(now: dt.datetime, limit: int) -> list[UUID]:
    """Summaries whose next step is due, at most `limit`.

    Tenants take turns, so that none waits behind another's thousand calls; and what has
    begun comes before what has not, so that polls do not pile up.
    """
    has_begun = ExpressionWrapper(~Q(state=CallSummary.WAITING), BooleanField())
    nth = Window(
        RowNumber(),
        partition_by=F("tenant_id"),
        order_by=[has_begun.desc(), F("next_step_at").asc()],
    )
    rows = CallSummary.objects.filter(_is_due(now), tenant__in=_tenants_going_on())
    turns = rows.annotate(nth=nth).order_by("nth", "next_step_at")
    return [summary_id for summary_id, _ in turns.values_list("pk", "nth")[:limit]]


def _is_due(now: dt.datetime) -> Q:
    """Its time has come and nobody is at it.

    A wait or a lease further ahead than either can be is over: the clock was set back.
    """
    waited = Q(next_step_at__lte=now) | Q(next_step_at__gt=now + 2 * LONGEST_WAIT)
    free = (
        Q(lease_until__isnull=True)
        | Q(lease_until__lte=now)
        | Q(lease_until__gt=now + 2 * LEASE)
    )
    return Q(state__in=_OPEN) & waited & free


def _tenants_going_on() -> QuerySet[Integration, UUID]:
    """Those whose integration in force makes summaries just now."""
    on = Integration.objects.filter(switched_on_at__isnull=False)
    first = Q(switched_on_at__lt=OuterRef("switched_on_at")) | Q(
        switched_on_at=OuterRef("switched_on_at"), id__lt=OuterRef("id")
    )
    in_force = on.filter(~Exists(on.filter(first, tenant=OuterRef("tenant"))))
    return (
        in_force.filter(call_summary=True, notice="")
        .exclude(openai_key="")
        .exclude(assemblyai_key="")
        .order_by()
        .values_list("tenant_id", flat=True)
    )


# One step -----------------------------------------------------------------------------


def step(summary_id: UUID, *, clock: Callable[[], dt.datetime]) -> tuple[UUID, ...]:
    """Makes a summary's next request, if it is due; returns the webhooks to wake up.

    Whatever the service does, it is recorded and not raised.
    """
    claimed = _claim(summary_id, clock())
    if claimed is None:
        # Another worker got there first, or the tenant's summaries have been stopped.
        return ()
    close_old_connections()
    try:
        changes = _ask(claimed, clock)
    except ServiceError as error:
        changes = _after_error(claimed, error, clock())
    except Exception:
        log.exception("summary.error", summary=str(summary_id))
        mishap = ServiceError("something went wrong in cdrhook; its log says what")
        changes = _after_error(claimed, mishap, clock())
    return _record(claimed, changes, clock())


def _claim(summary_id: UUID, now: dt.datetime) -> _Claimed | None:
    due_row = CallSummary.objects.filter(_is_due(now), pk=summary_id)
    row = due_row.select_related("tenant", "cdr").first()
    if row is None:
        return None
    integration = Integration.in_force(row.tenant)
    if integration is None or integration.notice or not _is_set_up(integration):
        return None
    try:
        keys = readable(integration.openai_key), readable(integration.assemblyai_key)
    except UndecryptableError as error:
        due_row.update(next_step_at=now + UNDECRYPTABLE_WAIT, error=str(error))
        return None
    token = uuid4()
    if not due_row.update(lease_token=token, lease_until=now + LEASE):
        return None
    return _Claimed(
        summary_id=row.pk,
        tenant=row.tenant,
        cdr=row.cdr,
        state=row.state,
        token=token,
        transcript_id=row.transcript_id,
        transcription=row.transcription,
        tries=row.tries,
        polls=row.polls,
        integration_id=integration.pk,
        openai_key=keys[0],
        assemblyai_key=keys[1],
        audio_url=_audio_url(row.tenant, row.cdr),
    )


def _audio_url(tenant: Tenant, row: StoredCdr) -> str:
    """Where the service gets the recording, which a later revision may have brought."""
    link = recording_url(tenant.pk, cdr_json.load(row.record))
    if link:
        return link
    revisions = CdrRevision.objects.filter(cdr=row).order_by("-number")
    for record in revisions.values_list("record", flat=True):
        link = recording_url(tenant.pk, cdr_json.load(record))
        if link:
            return link
    return ""


def _ask(claimed: _Claimed, clock: Callable[[], dt.datetime]) -> dict[str, Any]:
    """Makes the one request; returns what it changes. Raises ServiceError."""
    if claimed.state == CallSummary.WAITING:
        return _submitted(claimed, clock)
    if claimed.state == CallSummary.TRANSCRIBING:
        return _polled(claimed, clock)
    return _summarised(claimed, clock)


def _submitted(claimed: _Claimed, clock: Callable[[], dt.datetime]) -> dict[str, Any]:
    if not claimed.audio_url:
        raise ServiceError("the call has no recording any more", permanent=True)
    transcript_id = transcriber.submit(
        claimed.assemblyai_key, settings.CDRHOOK_TRANSCRIPTION_URL, claimed.audio_url
    )
    # The tries stay: a service that takes recordings and then knows nothing of them
    # must not get them over and over.
    return {
        "state": CallSummary.TRANSCRIBING,
        "transcript_id": transcript_id,
        "next_step_at": clock() + FIRST_POLL,
    }


def _polled(claimed: _Claimed, clock: Callable[[], dt.datetime]) -> dict[str, Any]:
    answer = transcriber.poll(
        claimed.assemblyai_key,
        settings.CDRHOOK_TRANSCRIPTION_URL,
        claimed.transcript_id,
    )
    polls = claimed.polls + 1
    if isinstance(answer, transcriber.Pending):
        if polls >= MAX_POLLS:
            raise ServiceError(
                f"the transcription did not end: after {polls} looks within hours it"
                f' is still "{answer.status}"',
                permanent=True,
            )
        wait = min(FIRST_POLL * POLL_GROWTH ** min(polls, 20), LONGEST_POLL)
        return {"polls": polls, "tries": 0, "next_step_at": clock() + wait}
    if not answer:
        return {
            "polls": polls,
            "transcription": NO_SPEECH,
            "summary": NO_SPEECH_SUMMARY,
            **_ended(CallSummary.READY, clock()),
        }
    return {
        "state": CallSummary.SUMMARISING,
        "polls": polls,
        "tries": 0,
        "transcription": answer,
        "next_step_at": clock(),
    }


def _summarised(claimed: _Claimed, clock: Callable[[], dt.datetime]) -> dict[str, Any]:
    summary = summariser.summarise(
        claimed.openai_key,
        settings.CDRHOOK_SUMMARY_URL,
        settings.CDRHOOK_SUMMARY_MODEL,
        claimed.transcription,
    )
    return {"summary": summary, **_ended(CallSummary.READY, clock())}


def _ended(state: str, now: dt.datetime) -> dict[str, Any]:
    return {"state": state, "next_step_at": None, "ended_at": now}


# When a request failed ------------------------------------------------------------------


def _after_error(
    claimed: _Claimed, error: ServiceError, now: dt.datetime
) -> dict[str, Any]:
    if error.key_refused:
        _stop(claimed, error, now)
        # It waits where it was: the key is at fault, not the call.
        return {"next_step_at": now}
    tries = claimed.tries + 1
    lost = error.unknown and claimed.state == CallSummary.TRANSCRIBING
    if tries >= MAX_TRIES or (error.permanent and not lost):
        reason = f"{error} (try {tries})" if tries > 1 else str(error)
        return {"tries": tries, "error": reason, **_ended(CallSummary.FAILED, now)}
    changes = {
        "tries": tries,
        "error": str(error),
        "next_step_at": now + _wait(tries, error.retry_after),
    }
    if lost:
        # The key may be another account's by now: have it transcribed anew.
        changes |= {"state": CallSummary.WAITING, "transcript_id": ""}
    return changes


def _wait(tries: int, retry_after: dt.timedelta | None) -> dt.timedelta:
    """10 s, then three times as long each time up to 30 min; longer if asked to."""
    wait = min(FIRST_RETRY * int(3 ** (tries - 1)), LONGEST_RETRY)
    return wait if retry_after is None else max(wait, min(retry_after, LONGEST_WAIT))


def _stop(claimed: _Claimed, error: ServiceError, now: dt.datetime) -> None:
    """Notes on the integration that its key is refused, unless it has another by now."""
    with transaction.atomic():
        row = (
            Integration.objects.select_for_update(no_key=True)
            .filter(pk=claimed.integration_id, notice="")
            .first()
        )
        if row is None or (row.openai_key, row.assemblyai_key) != (
            claimed.openai_key,
            claimed.assemblyai_key,
        ):
            return
        notice = (
            f"No summaries are made: {error}. They go on when the key is changed, or"
            " call summaries are switched off and on again."
        )
        Integration.objects.filter(pk=row.pk).update(notice=notice, notice_at=now)
    log.warning(
        "summaries.stopped", tenant=claimed.tenant.external_id, reason=str(error)
    )


# Recording ----------------------------------------------------------------------------


def _record(
    claimed: _Claimed, changes: dict[str, Any], now: dt.datetime
) -> tuple[UUID, ...]:
    changes = {"error": "", **changes, "lease_token": None, "lease_until": None}
    wake: tuple[UUID, ...] = ()
    with transaction.atomic():
        ours = CallSummary.objects.filter(
            pk=claimed.summary_id, lease_token=claimed.token
        ).update(**changes)
        if ours and changes.get("state") == CallSummary.READY:
            wake = _owe(claimed.cdr, now)
    if not ours:
        log.warning("summary.lease_lost", summary=str(claimed.summary_id))
    elif "state" in changes or changes["error"]:
        log.info(
            "summary.stepped",
            summary=str(claimed.summary_id),
            tenant=claimed.tenant.external_id,
            state=changes.get("state", claimed.state),
            error=changes["error"] or None,
        )
    return wake


def _owe(cdr: StoredCdr, now: dt.datetime) -> tuple[UUID, ...]:
    """Owes the summary to the batch webhooks that were owed the call (thehub.txt)."""
    takes_calls = Q(webhook__active=True) | Q(webhook__when_disabled="hold")
    got_the_call = OwedCdr.objects.filter(
        takes_calls,
        cdr=cdr,
        kind=OwedCdr.CDR,
        webhook__style="batch",
        webhook__deleted_at__isnull=True,
    )
    webhooks = got_the_call.order_by("webhook").values_list("webhook", flat=True)
    ids = tuple(webhooks.distinct())
    OwedCdr.objects.bulk_create(
        [
            OwedCdr(
                webhook_id=webhook_id,
                cdr=cdr,
                kind=OwedCdr.CALL_SUMMARY,
                owed_at=now,
                call_end=cdr.call_end,
            )
            for webhook_id in ids
        ],
        ignore_conflicts=True,
    )
    return ids


# What people and other programs do -------------------------------------------------------


def retry(summary_id: UUID, now: dt.datetime) -> bool:
    """Starts a failed summary anew; False if it has not failed.

    What has been transcribed is not transcribed again.
    """
    failed = CallSummary.objects.filter(pk=summary_id, state=CallSummary.FAILED)
    anew = {
        "error": "",
        "tries": 0,
        "polls": 0,
        "transcript_id": "",
        "next_step_at": now,
        "ended_at": None,
    }
    return bool(
        failed.exclude(transcription="").update(state=CallSummary.SUMMARISING, **anew)
        or failed.update(state=CallSummary.WAITING, **anew)
    )


def mind_the_packages(now: dt.datetime) -> bool:
    """Says on the integrations whether the SDKs are missing; True if they are there."""
    there = summaries.installed()
    if there:
        concerned = Integration.objects.filter(notice=NOT_INSTALLED)
        change: dict[str, Any] = {"notice": "", "notice_at": None}
    else:
        concerned = Integration.objects.filter(
            call_summary=True, notice="", switched_on_at__isnull=False
        )
        change = {"notice": NOT_INSTALLED, "notice_at": now}
    # Looked for first: on SQLite a write that changes nothing waits for others, too.
    if concerned.exists() and concerned.update(**change) and not there:
        log.warning("summaries.not_installed", notice=NOT_INSTALLED)
    return there
