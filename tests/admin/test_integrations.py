"""The pages of "CDRs to Webhook": who reaches them, and what they never show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dispatcher.models import Integration, Membership, Partner, Tenant, Webhook
from dispatcher.pipeline import integrate
from dispatcher.pipeline.integrate import Wish
from dispatcher.pipeline.subscribe import RefusedError
from dispatcher.values import FieldError

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

pytestmark = [pytest.mark.db, pytest.mark.django_db]

LIST = "/admin/dispatcher/integration/"
FIRST, SECOND = "https://first.example/cdrs", "https://second.example/cdrs"
OPENAI, ASSEMBLYAI = "sk-proj-very-secret-1", "aai-very-secret-2"
REFUSED = "No summaries are made: OpenAI refused the API key."


def member(name: str, role: str = "administrator", **owner: Any) -> User:
    """A user who may log in, in that role of a tenant or a partner."""
    user = User.objects.create(username=name, is_staff=True)
    Membership.objects.create(user=user, role=role, **owner)
    return user


def browser(user: User) -> Client:
    """A browser in which that user has logged in."""
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def ann(acme: Tenant) -> User:
    """An administrator of acme's."""
    return member("ann", tenant=acme)


@pytest.fixture
def bob(acme: Tenant) -> User:
    """Another one."""
    return member("bob", tenant=acme)


@pytest.fixture
def saved(acme: Tenant) -> Callable[..., Integration]:
    """saved(user, url, **wishes) -> acme's integration, switched on."""

    def make(user: User, url: str = FIRST, **wishes: Any) -> Integration:
        wish = Wish(url=url, **{"on": True, **wishes})
        return integrate.save(acme, user, wish, now=timezone.now()).integration

    return make


def page_of(integration: Integration) -> str:
    return f"{LIST}{integration.pk}/change/"


def shown(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200
    return response.content.decode()


def sent(client: Client, address: str, **fields: Any) -> str:
    """What is shown after a form was sent."""
    response = client.post(address, fields, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def webhook() -> Webhook:
    return Webhook.objects.get(deleted_at__isnull=True)


# Making and changing ----------------------------------------------------------------


def test_a_tenants_administrator_switches_its_own_on(
    ann: User,
    acme: Tenant,
    woken: list[UUID],
    django_capture_on_commit_callbacks: Any,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        text = sent(browser(ann), f"{LIST}add/", on="on", url=FIRST)

    integration = Integration.objects.get()
    assert (integration.tenant, integration.user) == (acme, ann)
    assert integration.switched_on_at is not None
    assert (webhook().url, webhook().active) == (FIRST, True)
    assert woken == [webhook().pk]
    assert webhook().secret in text


def test_the_form_names_the_method_and_asks_no_tenants_administrator_whose_they_are(
    ann: User,
) -> None:
    text = shown(browser(ann), f"{LIST}add/")

    assert "HTTP method is POST" in text
    for name in ("tenant", "user", "clear_openai_key"):
        assert f'name="{name}"' not in text


def test_a_chosen_tenant_or_user_of_a_tenants_administrator_counts_for_nothing(
    ann: User, bob: User, acme: Tenant, globex: Tenant
) -> None:
    sent(browser(ann), f"{LIST}add/", url=FIRST, tenant=globex.pk, user=bob.pk)

    integration = Integration.objects.get()
    assert (integration.tenant, integration.user) == (acme, ann)


def test_an_operator_chooses_tenant_and_user(
    admin_client: Client, ann: User, acme: Tenant
) -> None:
    sent(admin_client, f"{LIST}add/", tenant=acme.pk, user=ann.pk, url=FIRST)

    assert Integration.objects.get().user == ann


def test_an_operators_form_begins_with_the_operator(
    admin_client: Client, admin_user: User
) -> None:
    response = admin_client.get(f"{LIST}add/")

    form = response.context["adminform"].form
    assert form.get_initial_for_field(form.fields["user"], "user") == admin_user.pk


def test_a_partners_administrator_chooses_among_its_tenants(
    acme: Tenant, globex: Tenant
) -> None:
    acme.partner = Partner.objects.create(name="Carrier")
    acme.save()
    eve = member("eve", partner=acme.partner)

    sent(browser(eve), f"{LIST}add/", tenant=acme.pk, url=FIRST)
    refused = sent(browser(eve), f"{LIST}add/", tenant=globex.pk, url=FIRST)

    assert "Select a valid choice" in refused
    integration = Integration.objects.get()
    assert (integration.tenant, integration.user) == (acme, eve)


def test_the_status_switch_switches_off(
    ann: User, saved: Callable[..., Integration]
) -> None:
    integration = saved(ann)

    sent(browser(ann), page_of(integration), url=FIRST)

    integration.refresh_from_db()
    assert integration.switched_on_at is None
    assert not webhook().active


def test_removing_the_settings_lets_the_next_ones_take_over(
    ann: User, bob: User, saved: Callable[..., Integration]
) -> None:
    integration, _ = saved(ann, FIRST), saved(bob, SECOND)

    sent(browser(ann), f"{LIST}{integration.pk}/delete/", post="yes")

    assert Integration.objects.get().user == bob
    assert webhook().url == SECOND


# Refusals ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "at", "refusal"),
    [
        ({"url": "ftp://receiver.example/"}, "url", "http"),
        ({"url": "https://169.254.169.254/"}, "url", "may not be reached"),
        ({"url": ""}, "url", "required"),
        ({"url": FIRST, "new_openai_key": "a b"}, "new_openai_key", "is no API key"),
    ],
)
def test_what_is_refused_is_refused_at_its_field(
    ann: User, fields: dict[str, str], at: str, refusal: str
) -> None:
    response = browser(ann).post(f"{LIST}add/", {"on": "on", **fields})

    errors = response.context["adminform"].form.errors
    assert list(errors) == [at]
    assert refusal in str(errors[at])
    assert not Integration.objects.exists()


def test_the_limit_of_webhooks_is_told_at_the_switch(ann: User, acme: Tenant) -> None:
    acme.max_webhooks = 0
    acme.save()

    response = browser(ann).post(f"{LIST}add/", {"on": "on", "url": FIRST})

    assert response.context["adminform"].form.errors == {
        "on": ["it needs a webhook: acme may have 0 webhooks and has 0"]
    }


def test_a_user_who_has_settings_already_gets_no_second_ones(
    admin_client: Client, acme: Tenant, ann: User, saved: Callable[..., Integration]
) -> None:
    saved(ann)
    fields = {"tenant": acme.pk, "user": ann.pk, "url": SECOND}

    text = sent(admin_client, f"{LIST}add/", **fields)

    assert "ann has settings of acme already" in text
    assert Integration.objects.get().url == FIRST
    assert browser(ann).get(f"{LIST}add/").status_code == 403


def test_a_viewer_can_be_given_no_settings(admin_client: Client, acme: Tenant) -> None:
    viewer = member("vic", "viewer", tenant=acme)
    fields = {"tenant": acme.pk, "user": viewer.pk, "url": FIRST}

    text = sent(admin_client, f"{LIST}add/", **fields)

    assert "vic is no administrator of acme" in text


def test_what_becomes_wrong_while_it_is_saved_is_told_and_nothing_is_saved(
    ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(*_: Any, **__: Any) -> None:
        raise RefusedError([FieldError("on", "it needs a webhook")])

    monkeypatch.setattr(integrate, "save", save)

    text = sent(browser(ann), f"{LIST}add/", on="on", url=FIRST)

    assert "Nothing was saved: on: it needs a webhook." in text
    assert not LogEntry.objects.exists()


# Who reaches them -------------------------------------------------------------------


def test_viewers_reach_nothing_not_even_to_read(
    acme: Tenant, ann: User, saved: Callable[..., Integration]
) -> None:
    client = browser(member("vic", "viewer", tenant=acme))
    integration = saved(ann, call_summary=True)
    addresses = [LIST, f"{LIST}add/", page_of(integration)]
    addresses += [f"{LIST}{integration.pk}/{name}/" for name in ("delete", "history")]

    answers = [client.get(address).status_code for address in addresses]
    answers.append(client.post(page_of(integration), {"url": SECOND}).status_code)

    assert answers == 6 * [403]
    assert LIST not in shown(client, "/admin/")
    assert Integration.objects.get().url == FIRST


def test_the_settings_of_another_user_are_seen_and_not_changed(
    ann: User, bob: User, saved: Callable[..., Integration]
) -> None:
    integration = saved(ann, openai_key=OPENAI)
    client = browser(bob)

    text = shown(client, page_of(integration))
    changed = client.post(page_of(integration), {"url": SECOND})
    removed = client.post(f"{LIST}{integration.pk}/delete/", {"post": "yes"})

    assert FIRST in text
    assert "API key" not in text
    assert 'name="url"' not in text
    assert (changed.status_code, removed.status_code) == (403, 403)
    assert Integration.objects.get().url == FIRST


def test_those_of_another_tenant_are_not_there(
    ann: User, globex: Tenant, saved: Callable[..., Integration]
) -> None:
    integration = saved(ann)
    client = browser(member("cleo", tenant=globex))

    assert "ann" not in shown(client, LIST)
    assert client.get(page_of(integration)).status_code == 302
    assert client.post(page_of(integration), {"url": SECOND}).status_code == 302
    assert Integration.objects.get().url == FIRST


def test_an_operator_changes_those_of_all(
    admin_client: Client, ann: User, saved: Callable[..., Integration]
) -> None:
    sent(admin_client, page_of(saved(ann)), url=SECOND, on="on")

    assert Integration.objects.get().url == SECOND


# Keys -------------------------------------------------------------------------------


def keys(**fields: str) -> dict[str, str]:
    return {"url": FIRST, "on": "on", "call_summary": "on", **fields}


def test_keys_go_in_and_never_come_out(ann: User, admin_client: Client) -> None:
    client = browser(ann)
    new = keys(new_openai_key=f" {OPENAI} ", new_assemblyai_key=ASSEMBLYAI)

    texts = [sent(client, f"{LIST}add/", **new)]
    integration = Integration.objects.get()
    page = page_of(integration)
    # A form that comes back with an error must not bring back what was typed.
    texts.append(sent(client, page, **{**new, "url": "ftp://x.example/"}))
    for address in (LIST, page, f"{LIST}{integration.pk}/history/"):
        texts += [shown(client, address), shown(admin_client, address)]
    texts.append(shown(client, f"{LIST}{integration.pk}/delete/"))
    texts += [entry.change_message for entry in LogEntry.objects.all()]

    assert (integration.openai_key, integration.assemblyai_key) == (OPENAI, ASSEMBLYAI)
    assert "Set. It is never shown" in shown(client, page)
    for text in texts:
        assert OPENAI not in text
        assert ASSEMBLYAI not in text
        assert "secret-1" not in text


def test_the_fields_of_keys_are_passwords_that_browsers_do_not_fill_in(
    ann: User,
) -> None:
    form = browser(ann).get(f"{LIST}add/").context["adminform"].form

    for name in ("new_openai_key", "new_assemblyai_key"):
        html = str(form[name])
        assert 'type="password"' in html
        assert 'autocomplete="new-password"' in html
        assert "value=" not in html


def test_an_empty_field_keeps_the_key_and_the_box_removes_it(
    ann: User, saved: Callable[..., Integration]
) -> None:
    integration = saved(ann, openai_key=OPENAI, assemblyai_key=ASSEMBLYAI)

    sent(browser(ann), page_of(integration), **keys(clear_assemblyai_key="on"))

    integration.refresh_from_db()
    assert (integration.openai_key, integration.assemblyai_key) == (OPENAI, "")


def test_a_new_key_and_the_box_together_are_refused(
    ann: User, saved: Callable[..., Integration]
) -> None:
    integration = saved(ann, openai_key=OPENAI)
    fields = keys(new_openai_key="sk-new", clear_openai_key="on")

    text = sent(browser(ann), page_of(integration), **fields)

    assert "Type a new key or remove the stored one." in text
    assert Integration.objects.get().openai_key == OPENAI


def test_the_history_names_what_was_typed_only_if_something_was(
    ann: User, saved: Callable[..., Integration]
) -> None:
    integration = saved(ann, openai_key=OPENAI)

    sent(browser(ann), page_of(integration), url=SECOND, on="on")

    assert "API key" not in LogEntry.objects.get().change_message


# How they stand ---------------------------------------------------------------------


def test_the_list_says_whose_are_in_force_and_why_the_others_are_not(
    admin_client: Client,
    ann: User,
    bob: User,
    acme: Tenant,
    saved: Callable[..., Integration],
) -> None:
    saved(ann, FIRST)
    saved(bob, SECOND, call_summary=True)
    saved(member("cy", tenant=acme), on=False)

    text = shown(admin_client, LIST)

    assert text.count(">in force</span>") == 1
    assert text.count(">not in force</span>") == 1
    assert ">the settings of ann, switched on at" in text
    assert "the OpenAI API key and the AssemblyAI API key are not set" in text


def test_the_list_takes_no_query_a_row(
    admin_client: Client,
    acme: Tenant,
    saved: Callable[..., Integration],
    django_assert_max_num_queries: Any,
) -> None:
    for number in range(10):
        saved(member(f"user-{number}", tenant=acme))

    with django_assert_max_num_queries(10):
        shown(admin_client, LIST)


def test_the_page_says_why_summaries_are_stopped(
    ann: User, saved: Callable[..., Integration]
) -> None:
    integration = saved(
        ann, call_summary=True, openai_key=OPENAI, assemblyai_key=ASSEMBLYAI
    )
    assert "summaries stopped" not in shown(browser(ann), page_of(integration))

    Integration.objects.update(notice=REFUSED, notice_at=timezone.now())

    text = shown(browser(ann), page_of(integration))
    assert "summaries stopped" in text
    assert REFUSED in text


def test_the_page_leads_to_the_webhook(
    ann: User, saved: Callable[..., Integration]
) -> None:
    integration = saved(ann)

    text = shown(browser(ann), page_of(integration))

    assert f"/admin/webhooks/{webhook().pk}/" in text


def test_the_overview_has_a_line_for_summaries_that_are_stopped(
    admin_client: Client,
    acme: Tenant,
    ann: User,
    bob: User,
    saved: Callable[..., Integration],
) -> None:
    integration = saved(
        ann, call_summary=True, openai_key=OPENAI, assemblyai_key=ASSEMBLYAI
    )
    saved(bob, call_summary=True)
    assert "Call summaries of" not in shown(admin_client, "/admin/")

    Integration.objects.filter(user=ann).update(notice=REFUSED)

    for client in (admin_client, browser(ann)):
        text = shown(client, "/admin/")
        assert text.count("Call summaries of acme</a>") == 1
        assert REFUSED in text
        assert page_of(integration) in text
    viewer = browser(member("vic", "viewer", tenant=acme))
    assert REFUSED not in shown(viewer, "/admin/")


# Its webhook ------------------------------------------------------------------------


def test_the_webhook_is_not_deleted_here_while_an_integration_is_on(
    admin_client: Client, ann: User, saved: Callable[..., Integration]
) -> None:
    saved(ann)

    text = sent(admin_client, f"/admin/webhooks/{webhook().pk}/delete/", post="yes")

    assert "by the integration of ann: switch that off first" in text
    assert webhook().active
    assert not LogEntry.objects.exists()


def test_the_webhook_is_not_deleted_by_the_api_while_an_integration_is_on(
    acme: Tenant,
    ann: User,
    saved: Callable[..., Integration],
    client_for: Callable[..., Client],
) -> None:
    saved(ann)

    response = client_for(acme).delete(f"/api/v1/webhooks/{webhook().pk}")

    assert response.status_code == 409
    assert "by the integration of ann" in response.json()["detail"]


@pytest.mark.parametrize(
    "changes", [{"url": SECOND}, {"active": False}, {"when_disabled": "hold"}]
)
def test_the_api_does_not_change_what_the_integration_sets(
    acme: Tenant,
    ann: User,
    saved: Callable[..., Integration],
    client_for: Callable[..., Client],
    changes: dict[str, Any],
) -> None:
    saved(ann)
    address = f"/api/v1/webhooks/{webhook().pk}"

    response = client_for(acme).patch(address, changes, "application/json")

    assert response.status_code == 422
    assert response.json()["errors"] == [
        {"field": next(iter(changes)), "message": "is set by the tenant's integration"}
    ]


def test_the_api_changes_its_other_settings(
    acme: Tenant,
    ann: User,
    saved: Callable[..., Integration],
    client_for: Callable[..., Client],
) -> None:
    saved(ann)
    changes = {"url": FIRST, "retries": 7, "batch_size": 5}

    response = client_for(acme).patch(
        f"/api/v1/webhooks/{webhook().pk}", changes, "application/json"
    )

    assert response.status_code == 200
    assert (webhook().retries, webhook().batch_size) == (7, 5)
