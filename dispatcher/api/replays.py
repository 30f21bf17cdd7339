"""Replays by HTTP: deliveries sent again, past calls given to a webhook, and how far.

What is started is answered as soon as it is written down; a replay of up to 500 without
a rate is over by then. `Location` names it.
"""

from typing import Annotated, Any, Final, Literal

from django.http import HttpResponse
from django.utils import timezone
from ninja import Query, Router, Status
from pydantic import BaseModel, ConfigDict, Field

from dispatcher import tasks
from dispatcher.api.auth import ApiRequest, Bearer, TenantName
from dispatcher.api.problems import Problem, at_fault, not_found
from dispatcher.api.shapes import Moment, MomentText, iso, uuid_in_path
from dispatcher.models import Partner, Replay, Webhook
from dispatcher.pipeline import replay as replays
from dispatcher.pipeline.replay import MAX_HOURS, MAX_PER_SECOND

router = Router(tags=["Replays"])

LISTED: Final = 100
BY: Final = "API"

Repeatable = Literal["failed", "delivered", "cancelled"]
PerSecond = Annotated[
    int | None,
    Field(
        ge=1,
        le=MAX_PER_SECOND,
        strict=True,
        description="Deliveries a second; left out: as fast as they can be made.",
    ),
]
PreviewQuery = Annotated[
    bool,
    Query(False, description="Only says how many that would be; changes nothing."),
]


class Pace(BaseModel):
    """How fast, or only a look at how many."""

    model_config = ConfigDict(extra="forbid")

    per_second: PerSecond = None
    preview: Annotated[bool, Field(strict=True)] = False


class ReplayBody(Pace):
    """Which deliveries go out again: made in [since, until), in one of the states."""

    since: Moment
    until: Moment | None = None
    state: Repeatable | Annotated[list[Repeatable], Field(min_length=1)] = "failed"


class BackfillBody(Pace):
    """Calls of the last so many hours."""

    hours: Annotated[int, Field(ge=1, le=MAX_HOURS, strict=True)]


class ReplayedJson(BaseModel):
    """How many deliveries go out again."""

    deliveries: int


class BackfilledJson(BaseModel):
    """How many calls were accepted then; the webhook gets those that it wants."""

    calls: int


class ReplayJson(BaseModel):
    """A replay and how far it is.

    `what`: deliveries by when they were made, those that failed in an outage, or past
    calls. `total` was counted at its start; `done` are sent again or, of calls, looked
    through.
    """

    id: str
    webhook: str
    what: Literal["deliveries", "outage", "calls"]
    since: MomentText
    until: MomentText
    states: list[str]
    per_second: int | None
    state: Literal["running", "paused", "done", "cancelled"]
    total: int
    done: int
    created_at: MomentText
    ended_at: MomentText | None


# Starting -----------------------------------------------------------------------------


@router.post(
    "/api/v1/webhooks/{webhook_id}/replay",
    auth=Bearer("manage"),
    response={202: ReplayedJson, 200: ReplayedJson},
    summary="Send deliveries of a time range again",
)
def replay(
    request: ApiRequest,
    response: HttpResponse,
    webhook_id: str,
    body: ReplayBody,
    preview: PreviewQuery,
    tenant: TenantName = None,
) -> Status[dict[str, Any]]:
    """By creation time; the same ids; tries start anew, attempt numbers go on.

    Never touches what is pending, or test calls. Up to 500 are made pending at once;
    more, or with `per_second`, in steps, which `Location` tells of.
    """
    if body.until is not None and body.until < body.since:
        raise at_fault("until", "must not be before since")
    wish = replays.of_range(
        _webhook(request, tenant, webhook_id),
        since=body.since,
        until=body.until,
        states=[body.state] if isinstance(body.state, str) else body.state,
        per_second=body.per_second,
        now=timezone.now(),
    )
    return _begin(response, wish, "deliveries", preview=preview or body.preview)


@router.post(
    "/api/v1/webhooks/{webhook_id}/replay-outage",
    auth=Bearer("manage"),
    response={202: ReplayedJson, 200: ReplayedJson},
    summary="Send again what failed before the webhook went down",
)
def replay_outage(
    request: ApiRequest,
    response: HttpResponse,
    webhook_id: str,
    preview: PreviewQuery,
    body: Pace | None = None,
    tenant: TenantName = None,
) -> Status[dict[str, Any]]:
    """Deliveries that failed from the last outage's first failure until it was over.

    409 where the webhook has recovered from none, or is DOWN.
    """
    pace = body or Pace()
    webhook = _webhook(request, tenant, webhook_id)
    wish = replays.of_outage(webhook, per_second=pace.per_second, now=timezone.now())
    if wish is None:
        raise Problem(409, "The webhook has recovered from no outage, or is down.")
    return _begin(response, wish, "deliveries", preview=preview or pace.preview)


@router.post(
    "/api/v1/webhooks/{webhook_id}/backfill",
    auth=Bearer("manage"),
    response={202: BackfilledJson, 200: BackfilledJson},
    summary="Give a webhook the calls of the last hours",
)
def backfill(
    request: ApiRequest,
    response: HttpResponse,
    webhook_id: str,
    body: BackfillBody,
    preview: PreviewQuery,
    tenant: TenantName = None,
) -> Status[dict[str, Any]]:
    """A webhook starts with calls accepted after it was made; this gives it older ones.

    Those that its filters let through and that it was never owed, oldest first.
    """
    wish = replays.of_last_hours(
        _webhook(request, tenant, webhook_id),
        body.hours,
        per_second=body.per_second,
        now=timezone.now(),
    )
    return _begin(response, wish, "calls", preview=preview or body.preview)


def _begin(
    response: HttpResponse, wish: Replay, what: str, *, preview: bool
) -> Status[dict[str, Any]]:
    """Counts it, or starts it and wakes the webhook up."""
    if preview:
        return Status(200, {what: replays.count(wish)})
    started = replays.start(wish, now=wish.created_at, by=BY)
    tasks.wake_up(started.wake)
    if started.replay is not None:
        response["Location"] = f"/api/v1/replays/{started.replay.pk}"
    return Status(202, {what: started.count})


# How far it is, and what may be done --------------------------------------------------


@router.get(
    "/api/v1/webhooks/{webhook_id}/replays",
    auth=Bearer("read"),
    response=list[ReplayJson],
    summary="List a webhook's replays",
)
def list_replays(
    request: ApiRequest, webhook_id: str, tenant: TenantName = None
) -> list[dict[str, Any]]:
    """The last 100, newest first."""
    webhook = _webhook(request, tenant, webhook_id)
    newest = Replay.objects.filter(webhook=webhook).order_by("-id")
    return [replay_json(one) for one in newest[:LISTED]]


@router.get(
    "/api/v1/replays/{replay_id}",
    auth=Bearer("read"),
    response=ReplayJson,
    summary="Look up a replay",
)
def get_replay(
    request: ApiRequest, replay_id: str, tenant: TenantName = None
) -> dict[str, Any]:
    """How far it is."""
    return replay_json(_one(request, tenant, replay_id))


@router.post(
    "/api/v1/replays/{replay_id}/pause",
    auth=Bearer("manage"),
    response=ReplayJson,
    summary="Pause a replay",
)
def pause_replay(
    request: ApiRequest, replay_id: str, tenant: TenantName = None
) -> dict[str, Any]:
    """Sends no more until it is resumed. 409 unless it is running."""
    one = _one(request, tenant, replay_id)
    if not replays.pause(one.pk):
        raise Problem(409, "Only a running replay can be paused.")
    return _as_it_is(one)


@router.post(
    "/api/v1/replays/{replay_id}/resume",
    auth=Bearer("manage"),
    response=ReplayJson,
    summary="Resume a paused replay",
)
def resume_replay(
    request: ApiRequest, replay_id: str, tenant: TenantName = None
) -> dict[str, Any]:
    """Goes on where it was. 409 unless it is paused and its webhook is there."""
    one = _one(request, tenant, replay_id)
    if not replays.resume(one.pk, timezone.now()):
        raise Problem(409, "Only a paused replay of a webhook that is there can go on.")
    return _as_it_is(one)


@router.post(
    "/api/v1/replays/{replay_id}/cancel",
    auth=Bearer("manage"),
    response=ReplayJson,
    summary="Cancel a replay",
)
def cancel_replay(
    request: ApiRequest, replay_id: str, tenant: TenantName = None
) -> dict[str, Any]:
    """Stops what it has not sent yet; what it made pending stays pending.

    409 once it has ended.
    """
    one = _one(request, tenant, replay_id)
    if not replays.cancel(one.pk, timezone.now()):
        raise Problem(409, "The replay has ended already.")
    return _as_it_is(one)


def _as_it_is(replay: Replay) -> dict[str, Any]:
    """Read anew, for it may be stepped meanwhile."""
    replay.refresh_from_db()
    return replay_json(replay)


def replay_json(replay: Replay) -> dict[str, Any]:
    """The keys of `ReplayJson`."""
    return {
        "id": str(replay.pk),
        "webhook": str(replay.webhook_id),
        "what": replay.what,
        "since": iso(replay.since),
        "until": iso(replay.until),
        "states": replay.states,
        "per_second": replay.per_second,
        "state": replay.state,
        "total": replay.total,
        "done": replay.done,
        "created_at": iso(replay.created_at),
        "ended_at": iso(replay.ended_at),
    }


# Whose --------------------------------------------------------------------------------


def _webhook(request: ApiRequest, tenant: str | None, webhook_id: str) -> Webhook:
    webhooks = request.auth.owner_named(tenant).webhooks.filter(deleted_at=None)
    webhook = webhooks.filter(pk=uuid_in_path(webhook_id)).first()
    if webhook is None:
        raise not_found()
    return webhook


def _one(request: ApiRequest, tenant: str | None, replay_id: str) -> Replay:
    """A replay of the owner's; also one whose webhook has been deleted since."""
    owner = request.auth.owner_named(tenant)
    whose = "partner" if isinstance(owner, Partner) else "tenant"
    own = Replay.objects.filter(**{f"webhook__{whose}": owner})
    replay = own.filter(pk=uuid_in_path(replay_id)).first()
    if replay is None:
        raise not_found()
    return replay
