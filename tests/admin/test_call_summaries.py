"""The pages of call summaries, and the way from and to the call's page."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dispatcher.models import CallSummary, Membership, StoredCdr, Tenant
from dispatcher.models.ids import uuid7
from dispatcher.pipeline import integrate
from dispatcher.pipeline.integrate import Wish
from tests.admin.conftest import ESCAPED, EVIL

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.db, pytest.mark.django_db]

LIST = "/admin/dispatcher/callsummary/"


@pytest.fixture
def summary_of(stored: Callable[..., StoredCdr]) -> Callable[..., CallSummary]:
    """summary_of(tenant, uid, state, **columns) -> the summary of a new call."""

    def make(
        tenant: Tenant, uid: str, state: str = "failed", **columns: Any
    ) -> CallSummary:
        now, ended = timezone.now(), state in ("ready", "failed")
        times = {
            "created_at": now,
            "ended_at": now if ended else None,
            "next_step_at": None if ended else now + dt.timedelta(minutes=90),
        }
        return CallSummary.objects.create(
            tenant=tenant, cdr=stored(tenant, uid), state=state, **{**times, **columns}
        )

    return make


def member(tenant: Tenant, role: str) -> Client:
    user = User.objects.create(username=role, is_staff=True)
    Membership.objects.create(user=user, tenant=tenant, role=role)
    client = Client()
    client.force_login(user)
    return client


def shown(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200
    return response.content.decode()


def page_of(summary: CallSummary) -> str:
    return f"{LIST}{summary.pk}/change/"


def test_the_list_says_how_far_each_is(
    admin_client: Client, acme: Tenant, summary_of: Callable[..., CallSummary]
) -> None:
    summary_of(acme, "call-1", error="the audio is empty", tries=2)
    summary_of(acme, "call-2", "transcribing")

    text = shown(admin_client, LIST)

    for part in ("call-1", ">failed</span>", "the audio is empty", "2 failed requests"):
        assert part in text
    for part in ("call-2", ">transcribing</span>", "in 1 h"):
        assert part in text


@pytest.mark.parametrize(
    ("query", "uids"),
    [
        ("?state=ready", {"call-2"}),
        ("?state=failed", {"call-1", "call-3"}),
        ("?tenant=globex", {"call-3"}),
        ("?created_at_to=2026-01-31", {"call-1"}),
        ("?created_at_from=2026-02-01", {"call-2", "call-3"}),
        ("?q=call-2", {"call-2"}),
        ("?q=%2B441632960001", {"call-1", "call-2", "call-3"}),
    ],
)
def test_it_is_narrowed_by_state_tenant_date_and_call(
    admin_client: Client,
    acme: Tenant,
    globex: Tenant,
    summary_of: Callable[..., CallSummary],
    query: str,
    uids: set[str],
) -> None:
    old = dt.datetime(2026, 1, 30, 12, tzinfo=dt.UTC)
    milliseconds = int(old.timestamp() * 1000)
    old_id = type(uuid7())(int=milliseconds << 80 | 7 << 76 | 2 << 62)
    summary_of(acme, "call-1", id=old_id, created_at=old)
    summary_of(acme, "call-2", "ready")
    summary_of(globex, "call-3")

    text = shown(admin_client, LIST + query)

    assert {uid for uid in ("call-1", "call-2", "call-3") if f">{uid}<" in text} == uids


def test_the_list_takes_no_query_a_row(
    admin_client: Client,
    acme: Tenant,
    summary_of: Callable[..., CallSummary],
    django_assert_max_num_queries: Any,
) -> None:
    for number in range(10):
        summary_of(acme, f"call-{number}")

    with django_assert_max_num_queries(10):
        shown(admin_client, LIST)


def test_what_was_said_is_escaped(
    admin_client: Client, acme: Tenant, summary_of: Callable[..., CallSummary]
) -> None:
    summary = summary_of(
        acme, "call-1", "ready", transcription=EVIL, summary=f"{EVIL}\x1b[31m"
    )

    text = shown(admin_client, page_of(summary))

    assert text.count(ESCAPED) == 2
    assert EVIL not in text
    assert "\x1b" not in text


def test_a_failed_one_is_started_again_from_its_page(
    admin_client: Client, acme: Tenant, summary_of: Callable[..., CallSummary]
) -> None:
    summary = summary_of(acme, "call-1", error="the audio is empty", tries=8)
    assert "the audio is empty" in shown(admin_client, page_of(summary))

    response = admin_client.post(f"{LIST}{summary.pk}/start-again/", follow=True)

    summary.refresh_from_db()
    assert summary.state == "waiting"
    assert (summary.tries, summary.error) == (0, "")
    assert "Started again: 1." in response.content.decode()
    assert "Start again</button>" not in shown(admin_client, page_of(summary))


def test_many_are_started_again_from_the_list_if_they_have_failed(
    admin_client: Client, acme: Tenant, summary_of: Callable[..., CallSummary]
) -> None:
    chosen = [summary_of(acme, "call-1"), summary_of(acme, "call-2", "ready")]
    data = {"action": "start_again", "_selected_action": [one.pk for one in chosen]}

    text = admin_client.post(LIST, data, follow=True).content.decode()

    assert "Started again: 1." in text
    assert "Left as before: 1, which had not failed." in text
    states = CallSummary.objects.order_by("id").values_list("state", flat=True)
    assert list(states) == ["waiting", "ready"]


def test_a_viewer_reads_and_starts_nothing_again(
    acme: Tenant, summary_of: Callable[..., CallSummary]
) -> None:
    summary = summary_of(acme, "call-1")
    client = member(acme, "viewer")

    text = shown(client, page_of(summary))
    response = client.post(f"{LIST}{summary.pk}/start-again/")

    assert "Start again</button>" not in text
    assert response.status_code == 403
    assert CallSummary.objects.get().state == "failed"


def test_those_of_another_tenant_are_not_there(
    acme: Tenant, globex: Tenant, summary_of: Callable[..., CallSummary]
) -> None:
    summary = summary_of(globex, "call-1")
    client = member(acme, "administrator")

    client.post(f"{LIST}{summary.pk}/start-again/")

    assert "call-1" not in shown(client, LIST)
    assert "call-1" not in shown(client, f"{LIST}?q=call-1").replace('"call-1"', "")
    assert client.get(page_of(summary)).status_code == 302
    assert CallSummary.objects.get().state == "failed"


def test_the_calls_page_leads_to_the_summary_and_back(
    admin_client: Client, acme: Tenant, summary_of: Callable[..., CallSummary]
) -> None:
    summary = summary_of(acme, "call-1", error="the audio is empty")
    call = f"/admin/dispatcher/storedcdr/{summary.cdr_id}/change/"

    text = shown(admin_client, call)

    assert page_of(summary) in text
    assert "the audio is empty" in text
    assert call in shown(admin_client, page_of(summary))


def test_one_that_waits_says_what_for(
    admin_client: Client,
    admin_user: User,
    acme: Tenant,
    summary_of: Callable[..., CallSummary],
) -> None:
    summary = summary_of(acme, "call-1", "waiting")
    nobody = shown(admin_client, page_of(summary))

    wish = Wish(url="https://r.example/", on=True, call_summary=True, openai_key="sk-1")
    integrate.save(acme, admin_user, wish, now=timezone.now())

    assert "It waits: nobody has CDRs to webhook switched on." in nobody
    text = shown(admin_client, page_of(summary))
    assert "It waits. No summaries are made: the AssemblyAI API key is not set." in text
    text = shown(member(acme, "viewer"), page_of(summary))
    assert "call summaries are stopped." in text
    assert "API key" not in text
