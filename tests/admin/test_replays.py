"""Replays in the admin: counted, started, watched, paused, resumed, cancelled."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from dispatcher.models import Delivery, OwedCdr, Replay, Webhook
from tests.admin.roles import World, client_in, make_world
from tests.admin.test_webhooks import add
from tests.ended import ended

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = [pytest.mark.db, pytest.mark.django_db]

HOUR = dt.timedelta(hours=1)


def pending() -> int:
    return Delivery.objects.filter(state="pending").count()


def form(what: str = "deliveries", **values: Any) -> dict[str, Any]:
    """What the form of a webhook's page sends."""
    since = f"{timezone.now() - 24 * HOUR:%Y-%m-%dT%H:%M}"
    given = {"since": since, "states": ["failed"]} if what == "deliveries" else {}
    fields = {f"{what}-{name}": value for name, value in {**given, **values}.items()}
    return {"what": what, **fields}


def text(response: Any) -> str:
    return " ".join(response.content.decode().split())


# Send again, on a webhook's page ----------------------------------------------------


def test_nothing_is_sent_before_its_number_was_shown(admin_client, webhook):
    ended(webhook, timezone.now() - HOUR, many=1_201)

    shown = text(admin_client.post(f"/admin/webhooks/{webhook.pk}/again/", form()))

    assert "<strong>1,201</strong> deliveries would be sent again" in shown
    assert 'name="confirmed" value="yes">Send them again' in shown
    assert (pending(), Replay.objects.count()) == (0, 0)


def test_once_confirmed_it_is_started_and_its_page_says_how_far_it_is(
    admin_client, webhook, woken
):
    ended(webhook, timezone.now() - HOUR, many=30)
    confirmed = {**form(per_second=10), "confirmed": "yes"}

    response = admin_client.post(
        f"/admin/webhooks/{webhook.pk}/again/", confirmed, follow=True
    )

    one = Replay.objects.get()
    assert response.redirect_chain[-1][0].startswith(
        f"/admin/dispatcher/replay/{one.pk}"
    )
    shown = text(response)
    assert "30 deliveries will be sent again." in shown
    assert '<progress class="cdr-progress" max="30" value="10"' in shown
    assert ("10 a second" in shown, "by admin" in shown) == (True, True)
    assert woken == [webhook.pk]


def test_where_nothing_is_found_there_is_nothing_to_confirm(admin_client, webhook):
    shown = text(admin_client.post(f"/admin/webhooks/{webhook.pk}/again/", form()))

    assert "<strong>0</strong> deliveries would be sent again" in shown
    assert 'name="confirmed"' not in shown


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"since": ""}, "This field is required."),
        ({"since": "yesterday"}, "Enter a valid date/time."),
        ({"states": []}, "This field is required."),
        ({"states": ["pending"]}, "Select a valid choice."),
        ({"per_second": "0"}, "greater than or equal to 1"),
    ],
)
def test_what_is_wrong_is_said_at_the_field(admin_client, webhook, wrong, why):
    ended(webhook, timezone.now() - HOUR)
    given = {**form(**wrong), "confirmed": "yes"}

    shown = text(admin_client.post(f"/admin/webhooks/{webhook.pk}/again/", given))

    assert why in shown
    assert not Replay.objects.exists()


def test_past_calls_are_counted_and_given(admin_client, webhook, stored, acme):
    stored(acme, "call-1")
    path = f"/admin/webhooks/{webhook.pk}/again/"

    counted = text(admin_client.post(path, form("calls", hours=1)))
    admin_client.post(path, {**form("calls", hours=1), "confirmed": "yes"})

    assert "<strong>1</strong> call was accepted in that time" in counted
    assert OwedCdr.objects.get().webhook == webhook
    assert Replay.objects.get().state == "done"


def test_a_new_webhook_may_be_given_the_calls_of_its_last_hours(
    admin_client, acme, stored, django_capture_on_commit_callbacks
):
    stored(acme, "call-1")
    with django_capture_on_commit_callbacks(execute=True):
        add(admin_client, tenant=acme.pk, last_hours="2")

    new = Webhook.objects.get()
    assert Replay.objects.get().what == "calls"
    assert Replay.objects.get().webhook == new


def test_hours_are_asked_for_only_while_it_is_made(admin_client, webhook):
    assert b'name="last_hours"' in admin_client.get("/admin/webhooks/add/").content
    page = admin_client.get(f"/admin/webhooks/{webhook.pk}/")
    assert b'name="last_hours"' not in page.content


# After an outage --------------------------------------------------------------------


@pytest.fixture
def recovered(webhook: Webhook) -> Webhook:
    """The webhook, back for an hour; two deliveries had failed."""
    now = timezone.now()
    ended(webhook, now - 2 * HOUR, many=2)
    ended(webhook, now - 9 * HOUR)
    Webhook.objects.update(failing_since=now - 3 * HOUR, recovered_at=now - HOUR)
    return webhook


def test_what_failed_before_it_went_down_is_sent_again_by_one_click(
    admin_client, recovered
):
    page = f"/admin/webhooks/{recovered.pk}/"
    offered = text(admin_client.get(page))

    admin_client.post(f"{page}again/outage/")

    assert "2 deliveries failed before it went down" in offered
    assert pending() == 2
    assert "failed before it went down" not in text(admin_client.get(page))


def test_looking_sends_nothing(admin_client, recovered):
    admin_client.get(f"/admin/webhooks/{recovered.pk}/again/outage/")
    admin_client.get(f"/admin/webhooks/{recovered.pk}/again/")

    assert pending() == 0


def test_while_they_are_being_sent_again_they_are_not_offered(admin_client, recovered):
    now = timezone.now()
    Replay.objects.create(
        webhook=recovered, what="outage", since=now, until=now, created_at=now,
        state="paused", total=2,
    )  # fmt: skip

    shown = text(admin_client.get(f"/admin/webhooks/{recovered.pk}/"))

    assert "failed before it went down" not in shown
    assert "Replays under way" in shown


# The replays' own pages -------------------------------------------------------------


@pytest.fixture
def running(webhook: Webhook) -> Replay:
    """A replay that runs."""
    now = timezone.now()
    return Replay.objects.create(
        webhook=webhook, since=now - HOUR, until=now, created_at=now, total=1_200,
        done=300, states=["failed"], next_step_at=now, per_second=20,
    )  # fmt: skip


def test_the_list_shows_state_range_progress_and_rate(admin_client, running):
    shown = text(admin_client.get("/admin/dispatcher/replay/"))

    for part in ("running", "failed deliveries", "300 of 1,200", "20 a second"):
        assert part in shown


def test_buttons_pause_resume_and_cancel(admin_client, running):
    page = f"/admin/dispatcher/replay/{running.pk}/"
    states = []

    for verb in ("pause", "resume", "cancel"):
        admin_client.post(f"{page}{verb}/")
        running.refresh_from_db()
        states.append(running.state)

    assert states == ["paused", "running", "cancelled"]


@pytest.mark.parametrize(
    ("state", "offered"),
    [
        ("running", ["Pause", "Cancel"]),
        ("paused", ["Resume", "Cancel"]),
        ("done", []),
        ("cancelled", []),
    ],
)
def test_a_page_offers_what_its_state_allows(admin_client, running, state, offered):
    due = running.next_step_at if state == "running" else None
    Replay.objects.update(state=state, next_step_at=due)

    shown = text(admin_client.get(f"/admin/dispatcher/replay/{running.pk}/change/"))

    buttons = ("Pause", "Resume", "Cancel")
    assert [name for name in buttons if f">{name}</button>" in shown] == offered


def test_a_button_that_comes_too_late_says_so(admin_client, running):
    Replay.objects.update(state="done", next_step_at=None)

    response = admin_client.post(
        f"/admin/dispatcher/replay/{running.pk}/pause/", follow=True
    )

    assert "Nothing was changed: its state is another." in text(response)
    assert Replay.objects.get().state == "done"


# Whose ------------------------------------------------------------------------------


@pytest.fixture
def world(db: None) -> World:
    return make_world()


@pytest.fixture
def of_acme(world: World) -> Callable[[str], Client]:
    """of_acme(role) -> a browser of that role."""
    return lambda role: client_in(role, world)


def test_a_viewer_sees_how_far_it_is_and_is_offered_nothing(of_acme, world):
    one, viewer = world.of(Replay, "acme"), of_acme("tenant viewer")

    shown = text(viewer.get(f"/admin/dispatcher/replay/{one.pk}/change/"))

    assert "running" in shown
    for name in ("Pause", "Resume", "Cancel", "somebody at"):
        assert name not in shown


@pytest.mark.parametrize(
    ("role", "changed"),
    [
        ("tenant administrator", True),
        ("partner administrator", True),
        ("tenant viewer", False),
        ("outsider's administrator", False),
        ("other partner's administrator", False),
    ],
)
def test_administrators_of_its_owner_act_and_nobody_else(of_acme, world, role, changed):
    one = world.of(Replay, "acme")

    of_acme(role).post(f"/admin/dispatcher/replay/{one.pk}/pause/")

    one.refresh_from_db()
    assert (one.state == "paused") is changed
