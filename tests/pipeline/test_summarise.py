"""Call summaries, step by step: real SDKs, services over real HTTP, an injected clock."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from django.contrib.auth.models import User
from django.db import connection

from dispatcher import summaries
from dispatcher.adapters import cdr_json
from dispatcher.models import (
    CallSummary,
    CdrRevision,
    Integration,
    OwedCdr,
    StoredCdr,
    Tenant,
    Webhook,
)
from dispatcher.pipeline import integrate, summarise
from dispatcher.pipeline.recording import recording_url
from dispatcher.summaries import transcriber
from dispatcher.summaries.errors import ServiceError
from dispatcher.values import Recording
from tests.pipeline.conftest import call
from tests.summaries.fake_services import (
    ASSEMBLYAI_KEY,
    DROP,
    OPENAI_KEY,
    OUT_OF_QUOTA,
    PROCESSING,
    QUEUED,
    SAID,
    SUMMARY,
    WRONG_ASSEMBLYAI_KEY,
    WRONG_OPENAI_KEY,
    FakeServices,
    completed,
    completion,
    openai_error,
    refused,
    transcript,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

pytestmark = [
    pytest.mark.db,
    pytest.mark.django_db,
    # AssemblyAI's SDK speaks to pydantic as to its first version.
    pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince20"),
]


@pytest.fixture
def services(settings) -> Iterator[FakeServices]:
    running = FakeServices()
    settings.CDRHOOK_TRANSCRIPTION_URL = running.transcription_url
    settings.CDRHOOK_SUMMARY_URL = running.summary_url
    yield running
    running.close()


@pytest.fixture(autouse=True)
def one_connection(request, monkeypatch) -> None:
    """A test in one transaction would lose it together with its connection."""
    if "transactional_db" not in request.fixturenames:
        monkeypatch.setattr(summarise, "close_old_connections", lambda: None)


def integration_of(tenant: Tenant, name: str = "ann", **values: Any) -> Integration:
    user = User.objects.create(username=f"{name}@{tenant.external_id}")
    settings = {
        "switched_on_at": dt.datetime(2026, 11, 1, tzinfo=dt.UTC),
        "url": "https://receiver.example/hub",
        "call_summary": True,
        "openai_key": OPENAI_KEY,
        "assemblyai_key": ASSEMBLYAI_KEY,
        **values,
    }
    return Integration.objects.create(tenant=tenant, user=user, **settings)


@pytest.fixture
def integration(acme) -> Integration:
    """acme's, in force, with summaries."""
    return integration_of(acme)


@dataclass
class Clock:
    """The time, which passes when told to."""

    at: dt.datetime

    def __call__(self) -> dt.datetime:
        return self.at

    def pass_by(self, seconds: float) -> None:
        self.at += dt.timedelta(seconds=seconds)


@pytest.fixture
def clock(now) -> Clock:
    return Clock(now)


@pytest.fixture
def recorded(take, now) -> Callable[..., CallSummary]:
    """recorded(tenant, uid): a recorded call was taken in and waits."""

    def make(tenant: Tenant, uid: str = "c-1") -> CallSummary:
        take(tenant, call(uid, recordings=(Recording(id="r-1"),)))
        stored = StoredCdr.objects.get(tenant=tenant, uid=uid)
        summarise.note_recorded(tenant, [stored.pk], now)
        return CallSummary.objects.get(cdr=stored)

    return make


def run(clock: Clock, *, steps: int = 400) -> list[UUID]:
    """Makes steps as they come due, until nothing is; gives the webhooks to wake."""
    woken: list[UUID] = []
    for _ in range(steps):
        for summary_id in summarise.due(clock(), 10):
            woken += summarise.step(summary_id, clock=clock)
        if not summarise.due(clock(), 1):
            later = CallSummary.objects.filter(next_step_at__gt=clock())
            upcoming = later.order_by("next_step_at").first()
            if upcoming is None or upcoming.next_step_at is None:
                break
            clock.at = upcoming.next_step_at
    return woken


def fresh(row: Any) -> Any:
    row.refresh_from_db()
    return row


# Taking calls in ----------------------------------------------------------------------


def test_a_recorded_call_waits_from_the_start(acme, integration, recorded, now):
    summary = recorded(acme)

    assert (summary.state, summary.next_step_at) == ("waiting", now)
    assert summarise.due(now, 10) == [summary.pk]


def test_a_call_has_one_summary_however_often_it_comes(
    acme, integration, recorded, now
):
    summary = recorded(acme)

    summarise.note_recorded(acme, [summary.cdr_id, summary.cdr_id], now)

    assert CallSummary.objects.count() == 1


@pytest.mark.parametrize(
    "without",
    [
        {"call_summary": False},
        {"openai_key": ""},
        {"assemblyai_key": ""},
        {"switched_on_at": None},
    ],
)
def test_without_the_setting_or_a_key_no_summaries_are_made(acme, take, now, without):
    integration_of(acme, **without)
    take(acme, call("c-1"))

    assert not summarise.wanted(acme)
    assert summarise.note_recorded(acme, [StoredCdr.objects.get().pk], now) == 0
    assert not CallSummary.objects.exists()


def test_the_integration_in_force_decides_not_a_later_one(acme, globex, now):
    integration_of(acme, "ann", call_summary=False)
    integration_of(acme, "bob", switched_on_at=now)

    assert not summarise.wanted(acme)
    assert not summarise.wanted(globex)


def test_without_recorded_calls_nothing_is_asked(acme, django_assert_num_queries, now):
    with django_assert_num_queries(0):
        summarise.note_recorded(acme, [], now)


# The way to a summary -------------------------------------------------------------------


def test_a_call_is_transcribed_then_summarised_then_ready(
    acme, integration, recorded, services, clock
):
    summary = recorded(acme)
    services.poll = [QUEUED, PROCESSING, completed(SAID)]

    run(clock)

    assert fresh(summary).state == "ready"
    assert (summary.transcription, summary.summary) == (SAID, SUMMARY)
    assert (summary.error, summary.next_step_at) == ("", None)
    assert summary.ended_at == clock()
    assert [services.count(kind) for kind in ("submit", "poll", "summarise")] == [
        *(1, 3, 1)
    ]


def test_the_service_is_given_the_signed_link_to_the_recording(
    acme, integration, recorded, services, clock
):
    summary = recorded(acme)

    summarise.step(summary.pk, clock=clock)

    cdr = cdr_json.load(summary.cdr.record)
    link, _, token = services.requests[0].body["audio_url"].partition("?token=")
    # Each link has a token of its own.
    assert recording_url(acme.pk, cdr).startswith(f"{link}?token=")
    assert token


def test_a_recording_that_a_revision_brought_is_transcribed(
    acme, integration, take, services, clock, now
):
    take(acme, call("c-1"))
    take(acme, call("c-1", recordings=(Recording(id="r-1"),)))
    assert CdrRevision.objects.count() == 1
    stored = StoredCdr.objects.get()
    summarise.note_recorded(acme, [stored.pk], now)

    run(clock)

    assert CallSummary.objects.get().state == "ready"


def test_each_step_is_one_request_and_tells_its_state(
    acme, integration, recorded, services, clock
):
    summary = recorded(acme)
    services.poll = [completed(SAID)]
    states = []

    for _ in range(3):
        summarise.step(summary.pk, clock=clock)
        states.append((fresh(summary).state, len(services.requests)))
        clock.pass_by(3)

    assert states == [("transcribing", 1), ("summarising", 2), ("ready", 3)]


def test_polls_begin_after_3_seconds_and_grow_apart_to_30(
    acme, integration, recorded, services, clock
):
    summary = recorded(acme)
    services.poll = [PROCESSING]
    waits = []

    for _ in range(16):
        summarise.step(summary.pk, clock=clock)
        due_at = fresh(summary).next_step_at
        waits.append((due_at - clock()).total_seconds())
        clock.at = due_at

    assert waits[0] == 3
    assert waits == sorted(waits)
    assert waits[-1] == 30


def test_a_transcription_that_never_ends_fails_after_so_many_looks(
    acme, integration, recorded, services, clock, monkeypatch
):
    monkeypatch.setattr(summarise, "MAX_POLLS", 5)
    summary = recorded(acme)
    services.poll = [PROCESSING]

    run(clock)

    assert fresh(summary).state == "failed"
    assert 'is still "processing"' in summary.error
    assert services.count("poll") == 5


def test_a_transcription_may_take_two_hours(
    acme, integration, recorded, clock, now, monkeypatch
):
    pending = transcriber.Pending("queued")
    monkeypatch.setattr(transcriber, "submit", lambda *_: "tr-1")
    monkeypatch.setattr(transcriber, "poll", lambda *_: pending)
    recorded(acme)

    run(clock)

    assert dt.timedelta(hours=1.9) < clock() - now < dt.timedelta(hours=2.1)


@pytest.mark.parametrize("nothing", ["", None, "  "])
def test_a_call_without_speech_is_said_to_have_none_without_asking_the_model(
    acme, integration, recorded, services, clock, nothing
):
    summary = recorded(acme)
    services.poll = [completed(nothing)]

    run(clock)

    assert fresh(summary).state == "ready"
    assert summary.transcription == "No speech"
    assert summary.summary == "The call had no speech."
    assert services.count("summarise") == 0


# Who is owed it --------------------------------------------------------------------------


def test_a_summary_is_owed_to_the_batch_webhooks_that_got_the_call(
    acme, integration, recorded, webhook_of, services, clock
):
    batch = webhook_of(acme, style="batch")
    webhook_of(acme, style="envelope")
    recorded(acme)
    later = webhook_of(acme, style="batch")

    assert run(clock) == [batch.pk]

    owed = OwedCdr.objects.get(kind="call_summary")
    assert (owed.webhook_id, owed.delivery_id) == (batch.pk, None)
    assert (owed.owed_at, owed.call_end) == (clock(), owed.cdr.call_end)
    assert not OwedCdr.objects.filter(webhook=later).exists()


@pytest.mark.parametrize(
    "changed",
    [
        {"active": False, "when_disabled": "drop"},
        {"deleted_at": dt.datetime.now(dt.UTC)},
    ],
)
def test_a_webhook_that_is_off_or_deleted_by_then_is_owed_nothing(
    acme, integration, recorded, webhook_of, services, clock, changed
):
    webhook = webhook_of(acme, style="batch")
    recorded(acme)
    Webhook.objects.filter(pk=webhook.pk).update(**changed)

    assert run(clock) == []
    assert not OwedCdr.objects.filter(kind="call_summary").exists()


def test_a_summary_that_is_owed_already_is_not_owed_twice(
    acme, integration, recorded, webhook_of, services, clock, now
):
    webhook = webhook_of(acme, style="batch")
    summary = recorded(acme)
    OwedCdr.objects.create(
        webhook=webhook, cdr=summary.cdr, kind="call_summary", owed_at=now
    )

    run(clock)

    assert OwedCdr.objects.filter(kind="call_summary").count() == 1


# When a request fails ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["submit", "poll", "summarise"])
@pytest.mark.parametrize("status", [429, 500])
def test_what_may_pass_is_tried_again_until_it_has(
    acme, integration, recorded, services, clock, kind, status
):
    summary = recorded(acme)
    good = getattr(services, kind)
    setattr(services, kind, [refused(status, "Later"), DROP, *good])

    run(clock)

    assert (fresh(summary).state, summary.error) == ("ready", "")


def test_while_it_is_tried_again_the_reason_can_be_seen(
    acme, integration, recorded, services, clock
):
    summary = recorded(acme)
    services.submit = [refused(500, "Server error")]

    summarise.step(summary.pk, clock=clock)

    assert fresh(summary).state == "waiting"
    assert summary.error == "AssemblyAI answered 500: Server error"
    assert summary.next_step_at == clock() + dt.timedelta(seconds=10)


def test_retry_after_is_honoured_up_to_an_hour(
    acme, integration, recorded, services, clock
):
    summary = recorded(acme)
    services.submit = [
        refused(429, "Slow down", retry_after="77"),
        refused(429, "Slow down", retry_after="86400"),
    ]

    summarise.step(summary.pk, clock=clock)
    assert fresh(summary).next_step_at == clock() + dt.timedelta(seconds=77)

    clock.pass_by(77)
    summarise.step(summary.pk, clock=clock)
    assert fresh(summary).next_step_at == clock() + dt.timedelta(hours=1)
    assert summarise.due(clock(), 10) == []


def test_tries_are_bounded_and_grow_apart(
    acme, integration, recorded, services, clock, now
):
    summary = recorded(acme)
    services.summarise = [openai_error(503, None, "Overloaded")]

    run(clock)

    assert fresh(summary).state == "failed"
    assert summary.error == "OpenAI answered 503: Overloaded (try 8)"
    assert services.count("summarise") == 8
    assert dt.timedelta(hours=1) < clock() - now < dt.timedelta(hours=2)


@pytest.mark.parametrize(
    ("kind", "answer", "reason"),
    [
        ("submit", refused(400, "Bad URL"), "AssemblyAI answered 400: Bad URL"),
        (
            "poll",
            transcript("error", error="File does not appear to contain audio"),
            "AssemblyAI could not transcribe: File does not appear to contain audio",
        ),
        (
            "summarise",
            openai_error(404, "model_not_found", "No such model"),
            "OpenAI answered 404: No such model",
        ),
    ],
)
def test_what_cannot_be_done_fails_at_once_with_its_reason(
    acme, integration, recorded, services, clock, kind, answer, reason
):
    summary = recorded(acme)
    setattr(services, kind, [answer])

    run(clock)

    assert (fresh(summary).state, summary.error) == ("failed", reason)
    assert services.count(kind) == 1


def test_a_recording_that_has_vanished_fails_with_that_reason(
    acme, integration, recorded, services, clock
):
    summary = recorded(acme)
    without = cdr_json.dump(call("c-1"))
    StoredCdr.objects.update(record=without)

    run(clock)

    assert fresh(summary).state == "failed"
    assert summary.error == "the call has no recording any more"
    assert services.requests == []


def test_a_transcript_that_the_service_does_not_know_is_made_anew_but_not_for_ever(
    acme, integration, recorded, services, clock
):
    summary = recorded(acme)
    services.poll = [refused(404, "Transcript lookup error"), completed(SAID)]

    run(clock)
    assert fresh(summary).state == "ready"
    assert services.count("submit") == 2

    another = recorded(acme, "c-2")
    services.poll = [refused(404, "Transcript lookup error")]
    run(clock)
    assert fresh(another).state == "failed"
    assert services.count("submit") == 2 + summarise.MAX_TRIES


def test_what_nobody_foresaw_is_tried_again_and_said(
    acme, integration, recorded, services, clock, monkeypatch
):
    def stumble(*_: object) -> str:
        raise RuntimeError("unforeseen")

    summary = recorded(acme)
    monkeypatch.setattr(transcriber, "submit", stumble)

    run(clock)

    assert fresh(summary).state == "failed"
    assert "something went wrong in cdrhook" in summary.error


def test_a_failed_summary_can_be_started_anew(
    acme, integration, recorded, services, clock
):
    summary = recorded(acme)
    services.submit = [refused(400, "Bad URL"), QUEUED]
    run(clock)

    assert summarise.retry(summary.pk, clock())
    run(clock)

    assert fresh(summary).state == "ready"
    assert not summarise.retry(summary.pk, clock())


def test_what_was_transcribed_is_not_transcribed_again(
    acme, integration, recorded, services, clock
):
    summary = recorded(acme)
    services.summarise = [openai_error(400, None, "No"), completion(SUMMARY)]
    run(clock)

    summarise.retry(summary.pk, clock())
    run(clock)

    assert fresh(summary).state == "ready"
    assert services.count("submit") == 1


# Keys that are refused ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "answer", "said"),
    [
        ("submit", WRONG_ASSEMBLYAI_KEY, "AssemblyAI answered 401"),
        ("poll", WRONG_ASSEMBLYAI_KEY, "AssemblyAI answered 401"),
        ("summarise", WRONG_OPENAI_KEY, "OpenAI answered 401"),
        ("summarise", OUT_OF_QUOTA, "You exceeded your current quota"),
    ],
)
def test_a_refused_key_stops_the_tenant_with_one_notice_and_no_errors(
    acme, integration, recorded, services, clock, kind, answer, said
):
    rows = [recorded(acme, f"c-{number}") for number in range(5)]
    setattr(services, kind, [answer])

    with structlog.testing.capture_logs() as logged:
        run(clock, steps=20)

    assert said in fresh(integration).notice
    assert integration.notice_at is not None
    assert services.count(kind) == 1
    stops = [line for line in logged if line["event"] == "summaries.stopped"]
    assert len(stops) == 1
    assert {fresh(row).error for row in rows} == {""}
    assert all(row.state not in ("failed", "ready") for row in rows)


def test_those_in_flight_when_a_key_is_refused_add_no_notice(
    acme, integration, recorded, services, clock
):
    one, two = recorded(acme, "c-1"), recorded(acme, "c-2")
    services.submit = [WRONG_ASSEMBLYAI_KEY]
    claims = [summarise._claim(row.pk, clock()) for row in (one, two)]
    notices = []

    for claimed in claims:
        assert claimed is not None
        with pytest.raises(ServiceError) as caught:
            summarise._ask(claimed, clock)
        clock.pass_by(1)
        summarise._after_error(claimed, caught.value, clock())
        notices.append(fresh(integration).notice_at)

    assert notices[0] == notices[1]


def test_a_message_that_was_queued_before_the_stop_makes_no_request(
    acme, integration, recorded, services, clock
):
    summary = recorded(acme)
    Integration.objects.update(notice="No summaries are made")

    summarise.step(summary.pk, clock=clock)

    assert services.requests == []


def test_another_key_ends_the_notice_and_all_go_on(
    acme, integration, recorded, services, clock
):
    rows = [recorded(acme, f"c-{number}") for number in range(3)]
    services.submit = [WRONG_ASSEMBLYAI_KEY, QUEUED]
    run(clock, steps=20)
    wish = integrate.Wish(
        url=integration.url, call_summary=True, assemblyai_key=ASSEMBLYAI_KEY[::-1]
    )

    integrate.save(acme, integration.user, wish, now=clock())
    run(clock)

    assert {fresh(row).state for row in rows} == {"ready"}


def test_a_refusal_of_a_key_that_has_been_changed_meanwhile_stops_nothing(
    acme, integration, recorded, services, clock
):
    summary = recorded(acme)
    claimed = summarise._claim(summary.pk, clock())
    integration.assemblyai_key = ASSEMBLYAI_KEY[::-1]
    integration.save()
    error = ServiceError("AssemblyAI answered 401", key_refused=True)

    assert claimed is not None
    summarise._after_error(claimed, error, clock())

    assert fresh(integration).notice == ""


def test_one_tenants_bad_key_does_not_stop_another(
    acme, globex, integration, recorded, services, clock
):
    Integration.objects.update(notice="No summaries are made")
    integration_of(globex)
    recorded(acme)
    theirs = recorded(globex)

    run(clock, steps=20)

    assert fresh(theirs).state == "ready"


def test_summaries_that_are_switched_off_wait_and_go_on_later(
    acme, integration, recorded, services, clock
):
    summary = recorded(acme)
    Integration.objects.update(call_summary=False)
    assert summarise.due(clock(), 10) == []
    assert summarise.step(summary.pk, clock=clock) == ()

    Integration.objects.update(call_summary=True)

    assert summarise.due(clock(), 10) == [summary.pk]


def test_keys_that_cannot_be_decrypted_are_looked_at_again_in_a_minute(
    acme, integration, recorded, services, clock, settings
):
    summary = recorded(acme)
    settings.FIELD_ENCRYPTION_KEYS = ["another key than the one it was written with"]

    summarise.step(summary.pk, clock=clock)

    assert "cannot be decrypted" in fresh(summary).error
    assert summary.next_step_at == clock() + dt.timedelta(seconds=60)
    assert services.requests == []


def test_keys_are_in_no_error_no_log_and_no_repr(
    acme, integration, recorded, services, clock
):
    summary = recorded(acme)
    services.submit = [refused(401, f"{ASSEMBLYAI_KEY} is wrong")]
    with structlog.testing.capture_logs() as logged:
        claimed = summarise._claim(summary.pk, clock())
        assert claimed is not None
        CallSummary.objects.update(lease_until=None)
        run(clock, steps=5)

    told = f"{claimed} {logged} {fresh(integration).notice} {fresh(summary).error}"
    assert ASSEMBLYAI_KEY not in told
    assert OPENAI_KEY not in told


# Claims --------------------------------------------------------------------------------------


def test_two_workers_make_a_step_once(acme, integration, recorded, clock):
    summary = recorded(acme)

    assert summarise._claim(summary.pk, clock()) is not None
    assert summarise._claim(summary.pk, clock()) is None
    assert summarise.due(clock(), 10) == []


def test_a_step_whose_worker_died_is_made_anew_when_its_lease_has_run_out(
    acme, integration, recorded, services, clock
):
    summary = recorded(acme)
    summarise._claim(summary.pk, clock())
    clock.pass_by(121)

    run(clock)

    assert fresh(summary).state == "ready"


def test_who_has_lost_the_lease_writes_nothing(acme, integration, recorded, clock):
    summary = recorded(acme)
    late = summarise._claim(summary.pk, clock())
    clock.pass_by(121)
    summarise._claim(summary.pk, clock())
    assert late is not None

    summarise._record(late, {"state": "failed", "error": "late"}, clock())

    assert fresh(summary).state == "waiting"


def test_a_clock_that_was_set_back_holds_nothing_up(
    acme, integration, recorded, services, clock
):
    summary = recorded(acme)
    summarise._claim(summary.pk, clock())
    CallSummary.objects.update(next_step_at=clock())
    clock.at -= dt.timedelta(days=1)

    assert summarise.due(clock(), 10) == [summary.pk]


def test_tenants_take_turns_and_what_has_begun_comes_first(
    acme, globex, integration, recorded, clock
):
    integration_of(globex)
    many = [recorded(acme, f"c-{number}") for number in range(5)]
    one = recorded(globex)
    CallSummary.objects.filter(pk=many[3].pk).update(
        state="transcribing", transcript_id="tr-1"
    )

    assert {*summarise.due(clock(), 2)} == {many[3].pk, one.pk}
    assert len(summarise.due(clock(), 100)) == 6


def test_no_connection_is_held_and_no_transaction_open_while_a_service_is_asked(
    transactional_db, acme, integration, recorded, clock, monkeypatch
):
    held = []

    def submit(*_: object) -> str:
        is_open = (
            connection.vendor == "postgresql" and connection.connection is not None
        )
        held.append(is_open or connection.in_atomic_block)
        return "tr-1"

    monkeypatch.setattr(transcriber, "submit", submit)
    summary = recorded(acme)

    summarise.step(summary.pk, clock=clock)

    assert held == [False]
    assert fresh(summary).state == "transcribing"


# The packages ----------------------------------------------------------------------------------


def test_without_the_sdks_there_is_one_notice_until_they_are_installed(
    acme, globex, integration, clock, monkeypatch
):
    integration_of(globex, call_summary=False)
    monkeypatch.setattr(summaries, "installed", lambda: False)
    with structlog.testing.capture_logs() as logged:
        assert not summarise.mind_the_packages(clock())
        assert not summarise.mind_the_packages(clock())
    assert [line["event"] for line in logged] == ["summaries.not_installed"]
    assert "cdrhook[summaries]" in fresh(integration).notice
    assert Integration.objects.filter(notice="").count() == 1

    monkeypatch.setattr(summaries, "installed", lambda: True)
    assert summarise.mind_the_packages(clock())

    assert fresh(integration).notice == ""
