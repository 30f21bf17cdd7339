"""Integrations of a tenant's users, and the one webhook that follows them (thehub.txt)."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import ProtectedError
from structlog.testing import capture_logs

from dispatcher.models import (
    Delivery,
    Integration,
    Membership,
    OwedCdr,
    Partner,
    Tenant,
    Webhook,
)
from dispatcher.pipeline import integrate, subscribe
from dispatcher.pipeline.integrate import Wish
from tests.pipeline.conftest import call

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.db, pytest.mark.django_db(transaction=True)]

FIRST, SECOND = "https://first.example/cdrs", "https://second.example/cdrs"
OPENAI, ASSEMBLYAI = "sk-proj-very-secret-1", "aai-very-secret-2"
LATER = dt.timedelta(minutes=5)


def administrator(tenant: Tenant, name: str) -> User:
    user = User.objects.create(username=name)
    Membership.objects.create(user=user, tenant=tenant, role="administrator")
    return user


@pytest.fixture
def ann(acme: Tenant) -> User:
    """An administrator of acme's."""
    return administrator(acme, "ann")


@pytest.fixture
def bob(acme: Tenant) -> User:
    """Another one."""
    return administrator(acme, "bob")


@pytest.fixture
def saved(acme: Tenant, now: dt.datetime) -> Callable[..., Integration]:
    """saved(user, url, **wishes) -> the integration, switched on unless on=False."""

    def make(user: User, url: str = FIRST, **wishes: Any) -> Integration:
        at = wishes.pop("at", now)
        wish = Wish(url=url, **{"on": True, **wishes})
        return integrate.save(acme, user, wish, now=at).integration

    return make


def webhook() -> Webhook:
    return Webhook.objects.get(deleted_at__isnull=True)


def faults(tenant: Tenant, user: User, wish: Wish, now: dt.datetime) -> dict[str, str]:
    with pytest.raises(subscribe.RefusedError) as refused:
        integrate.save(tenant, user, wish, now=now)
    return {error.field: error.message for error in refused.value.errors}


# The webhook ------------------------------------------------------------------------


def test_the_first_one_switched_on_makes_the_tenants_webhook(
    acme: Tenant, ann: User, now: dt.datetime
) -> None:
    changed = integrate.save(acme, ann, Wish(url=FIRST, on=True), now=now)

    made = webhook()
    assert (made.tenant, made.url, made.of_integration) == (acme, FIRST, True)
    assert (made.style, made.method, made.format) == ("batch", "POST", "json")
    assert (made.active, made.when_disabled) == (True, "drop")
    assert changed.wake == (made.pk,)
    assert changed.secret == made.secret
    assert changed.secret.startswith("whsec_")


def test_settings_that_are_off_make_no_webhook(
    saved: Callable[..., Integration], ann: User
) -> None:
    integration = saved(ann, on=False)

    assert integration.switched_on_at is None
    assert not Webhook.objects.exists()


def test_it_exports_the_calls_of_the_whole_tenant_and_of_no_other(
    saved: Callable[..., Integration],
    ann: User,
    acme: Tenant,
    globex: Tenant,
    take: Callable[..., Any],
) -> None:
    saved(ann)

    take(acme, call("ours-1"), call("ours-2"))
    take(globex, call("theirs"))

    uids = OwedCdr.objects.values_list("cdr__uid", flat=True)
    assert sorted(uids) == ["ours-1", "ours-2"]


def test_off_means_that_nothing_is_sent_nor_kept_for_later(
    saved: Callable[..., Integration],
    ann: User,
    acme: Tenant,
    take: Callable[..., Any],
    now: dt.datetime,
) -> None:
    integration = saved(ann)

    integrate.switch_off(integration, now=now)
    take(acme, call("while-off"))

    assert not webhook().active
    assert webhook().dropped == 1
    assert not OwedCdr.objects.exists()


def test_what_is_pending_outlives_switching_off_and_on_again(
    saved: Callable[..., Integration], ann: User, now: dt.datetime
) -> None:
    integration = saved(ann)
    delivery = Delivery.objects.create(
        webhook=webhook(), created_at=now, call_end=now, next_attempt_at=now
    )

    integrate.switch_off(integration, now=now)
    changed = integrate.switch_on(integration, now=now + LATER)

    delivery.refresh_from_db()
    assert delivery.state == "pending"
    assert webhook().active
    assert changed.wake == (delivery.webhook_id,)


def test_webhooks_that_were_made_directly_stay_as_they_are(
    saved: Callable[..., Integration],
    webhook_of: Callable[..., Webhook],
    ann: User,
    acme: Tenant,
    now: dt.datetime,
) -> None:
    direct = webhook_of(acme, url="https://direct.example/", style="batch")

    integrate.switch_off(saved(ann), now=now)

    direct.refresh_from_db()
    assert (direct.url, direct.active) == ("https://direct.example/", True)


def test_one_that_its_receiver_switched_off_goes_on_when_the_settings_are_saved(
    saved: Callable[..., Integration], ann: User
) -> None:
    saved(ann)
    # What a 410 does to a webhook with disable_on_410.
    Webhook.objects.update(active=False)

    saved(ann)

    assert webhook().active


# Whose settings are in force --------------------------------------------------------


def test_the_first_users_settings_are_in_force_with_all_of_them(
    saved: Callable[..., Integration], ann: User, bob: User, acme: Tenant
) -> None:
    first = saved(ann, FIRST, call_summary=False)
    second = saved(bob, SECOND, call_summary=True, openai_key=OPENAI)

    standing = integrate.standing([first, second])

    assert Integration.in_force(acme) == first
    assert webhook().url == FIRST
    assert standing[first.pk] == integrate.Standing(True)
    assert standing[second.pk].why_not == (
        "not in force: the settings of ann, switched on at 2026-11-20 10:00:00 UTC, are"
    )


def test_the_next_one_takes_over_when_the_first_is_switched_off(
    saved: Callable[..., Integration],
    ann: User,
    bob: User,
    acme: Tenant,
    now: dt.datetime,
) -> None:
    first, second = saved(ann, FIRST), saved(bob, SECOND, at=now + LATER)
    Webhook.objects.update(lane="slow", answer_ms=900)
    delivery = Delivery.objects.create(
        webhook=webhook(), created_at=now, call_end=now, next_attempt_at=now
    )

    integrate.switch_off(first, now=now + 2 * LATER)

    delivery.refresh_from_db()
    assert Integration.in_force(acme) == second
    assert (webhook().url, webhook().active, webhook().lane) == (SECOND, True, "fast")
    assert delivery.state == "pending"


def test_switched_on_again_the_former_first_is_the_last(
    saved: Callable[..., Integration], ann: User, bob: User, now: dt.datetime
) -> None:
    first, second = saved(ann, FIRST), saved(bob, SECOND)

    integrate.switch_off(first, now=now + LATER)
    first = integrate.switch_on(first, now=now + 2 * LATER).integration

    assert webhook().url == SECOND
    assert integrate.standing([first, second])[second.pk].in_force


def test_the_next_one_takes_over_when_the_first_is_removed(
    saved: Callable[..., Integration], ann: User, bob: User, now: dt.datetime
) -> None:
    first, _ = saved(ann, FIRST), saved(bob, SECOND)

    integrate.remove(first, now=now)

    assert webhook().url == SECOND
    assert not Integration.objects.filter(user=ann).exists()


def test_when_the_last_one_is_removed_the_webhook_rests(
    saved: Callable[..., Integration], ann: User, now: dt.datetime
) -> None:
    integrate.remove(saved(ann), now=now)

    assert not webhook().active


def test_one_that_is_on_keeps_its_time_when_it_is_switched_on_or_saved(
    saved: Callable[..., Integration], ann: User, now: dt.datetime
) -> None:
    integration = saved(ann)

    integrate.switch_on(integration, now=now + LATER)
    saved(ann, SECOND, at=now + LATER)

    integration.refresh_from_db()
    assert integration.switched_on_at == now
    assert webhook().url == SECOND


def test_a_clock_that_was_set_back_changes_nothing_about_who_was_first(
    saved: Callable[..., Integration],
    ann: User,
    bob: User,
    acme: Tenant,
    now: dt.datetime,
) -> None:
    first = saved(ann, FIRST)
    saved(bob, SECOND, at=now - dt.timedelta(hours=1))

    assert Integration.in_force(acme) == first


def test_settings_that_are_off_say_so(
    saved: Callable[..., Integration], ann: User
) -> None:
    integration = saved(ann, on=False)

    standing = integrate.standing([integration])[integration.pk]

    assert standing == integrate.Standing(False, "switched off")


def test_each_tenant_has_settings_of_its_own_in_force(
    acme: Tenant, globex: Tenant, ann: User, now: dt.datetime
) -> None:
    cleo = administrator(globex, "cleo")
    for tenant, user in ((acme, ann), (globex, cleo)):
        integrate.save(tenant, user, Wish(url=FIRST, on=True), now=now)

    standing = integrate.standing(Integration.objects.all())

    assert [one.in_force for one in standing.values()] == [True, True]
    assert Webhook.objects.count() == 2


# Several at once --------------------------------------------------------------------


def test_two_that_are_switched_on_at_once_make_one_webhook(
    saved: Callable[..., Integration], acme: Tenant, now: dt.datetime
) -> None:
    urls = {f"https://r{number}.example/" for number in range(4)}
    all_off = [
        saved(administrator(acme, f"user-{url[9]}"), url, on=False)
        for url in sorted(urls)
    ]

    def switch_on(integration: Integration) -> None:
        try:
            integrate.switch_on(integration, now=now)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(switch_on, all_off))

    in_force = Integration.in_force(acme)
    assert in_force is not None
    assert webhook().url == in_force.url
    times = Integration.objects.values_list("switched_on_at", flat=True)
    assert len(set(times)) == 4
    assert None not in times


def test_one_user_who_saves_twice_at_once_has_one_integration(
    acme: Tenant, ann: User, now: dt.datetime
) -> None:
    def save(url: str) -> None:
        try:
            integrate.save(acme, ann, Wish(url=url, on=True), now=now)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(save, [FIRST, SECOND]))

    assert webhook().url == Integration.objects.get().url


# Refusals ---------------------------------------------------------------------------


def test_a_tenant_at_its_limit_of_webhooks_is_told_so(
    acme: Tenant, ann: User, now: dt.datetime
) -> None:
    acme.max_webhooks = 0
    acme.save()

    errors = faults(acme, ann, Wish(url=FIRST, on=True), now)

    assert errors == {"on": "it needs a webhook: acme may have 0 webhooks and has 0"}
    assert not Integration.objects.exists()


def test_the_limit_does_not_keep_a_second_user_from_switching_on(
    saved: Callable[..., Integration], acme: Tenant, ann: User, bob: User
) -> None:
    acme.max_webhooks = 1
    acme.save()

    saved(ann)

    assert saved(bob).switched_on_at is not None


@pytest.mark.parametrize(
    ("wishes", "field"),
    [
        ({"url": "ftp://receiver.example/"}, "url"),
        ({"url": ""}, "url"),
        ({"url": "https://169.254.169.254/", "on": False}, "url"),
        ({"url": "https://receiver.example/" + 2000 * "x"}, "url"),
        ({"openai_key": "sk with spaces"}, "openai_key"),
        ({"assemblyai_key": "schlüssel"}, "assemblyai_key"),
        ({"assemblyai_key": 501 * "k"}, "assemblyai_key"),
    ],
)
def test_a_refusal_names_the_field(
    acme: Tenant, ann: User, now: dt.datetime, wishes: dict[str, Any], field: str
) -> None:
    errors = faults(acme, ann, Wish(**{"url": FIRST, "on": True, **wishes}), now)

    assert list(errors) == [field]
    assert not Integration.objects.exists()


@pytest.mark.parametrize("role", ["viewer", "administrator of another tenant", "none"])
def test_only_administrators_have_integrations(
    acme: Tenant, globex: Tenant, now: dt.datetime, role: str
) -> None:
    user = User.objects.create(username="dora")
    if role == "viewer":
        Membership.objects.create(user=user, tenant=acme, role="viewer")
    elif role != "none":
        Membership.objects.create(user=user, tenant=globex, role="administrator")

    errors = faults(acme, user, Wish(url=FIRST), now)

    assert errors == {"user": "dora is no administrator of acme"}


def test_a_partners_administrator_has_one_for_each_of_its_tenants(
    acme: Tenant, now: dt.datetime
) -> None:
    acme.partner = Partner.objects.create(name="Carrier")
    acme.save()
    user = User.objects.create(username="eve")
    Membership.objects.create(user=user, partner=acme.partner, role="administrator")

    integrate.save(acme, user, Wish(url=FIRST, on=True), now=now)

    assert webhook().url == FIRST


def test_who_is_no_administrator_any_more_can_still_be_switched_off(
    saved: Callable[..., Integration], acme: Tenant, ann: User, now: dt.datetime
) -> None:
    integration = saved(ann)
    Membership.objects.update(role="viewer")

    integrate.save(acme, ann, Wish(url=FIRST, on=False), now=now)

    assert not webhook().active
    with pytest.raises(subscribe.RefusedError, match="no administrator"):
        integrate.switch_on(integration, now=now)


def test_one_whose_url_is_not_allowed_any_more_can_be_switched_off(
    saved: Callable[..., Integration], ann: User, now: dt.datetime, settings: Any
) -> None:
    integration = saved(ann, "http://receiver.example/")
    settings.CDRHOOK_ALLOW_HTTP = False

    integrate.switch_off(integration, now=now)

    assert not webhook().active


def test_a_user_with_an_integration_is_not_deleted_under_it(
    saved: Callable[..., Integration], ann: User
) -> None:
    saved(ann)

    with pytest.raises(ProtectedError):
        ann.delete()


# What others may do to the webhook --------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"url": SECOND},
        {"active": False},
        {"style": "flat"},
        {"when_disabled": "hold"},
    ],
)
def test_what_the_integration_sets_is_changed_nowhere_else(
    saved: Callable[..., Integration],
    ann: User,
    now: dt.datetime,
    changes: dict[str, Any],
) -> None:
    saved(ann)

    with pytest.raises(subscribe.RefusedError) as refused:
        subscribe.update_webhook(webhook(), changes, now=now)

    assert {error.field for error in refused.value.errors} == set(changes)
    assert "is set by the tenant's integration" in str(refused.value)


def test_the_other_settings_of_the_webhook_are_free_and_outlive_a_take_over(
    saved: Callable[..., Integration], ann: User, bob: User, now: dt.datetime
) -> None:
    first, _ = saved(ann, FIRST), saved(bob, SECOND)
    changes = {"retries": 7, "headers": (("x-api-key", "k-1"),), "batch_size": 5}

    subscribe.update_webhook(webhook(), changes, now=now)
    integrate.switch_off(first, now=now)

    assert (webhook().retries, webhook().batch_size) == (7, 5)
    assert webhook().headers.get().value == "k-1"


def test_the_webhook_is_not_deleted_while_an_integration_is_on(
    saved: Callable[..., Integration], ann: User, now: dt.datetime
) -> None:
    saved(ann)

    with pytest.raises(subscribe.InUseError, match="the integration of ann"):
        subscribe.delete_webhook(webhook(), now=now)

    assert webhook().active


def test_deleted_while_all_are_off_it_is_made_anew(
    saved: Callable[..., Integration], ann: User, now: dt.datetime
) -> None:
    integration = saved(ann)
    integrate.switch_off(integration, now=now)
    subscribe.delete_webhook(webhook(), now=now)

    integrate.switch_on(integration, now=now)

    assert (webhook().url, webhook().active) == (FIRST, True)
    assert Webhook.objects.count() == 2


# Keys and notices -------------------------------------------------------------------


def test_keys_are_encrypted_in_the_database(
    saved: Callable[..., Integration], ann: User
) -> None:
    saved(ann, openai_key=OPENAI, assemblyai_key=ASSEMBLYAI)

    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM dispatcher_integration")
        row = repr(cursor.fetchall())

    assert FIRST in row
    assert OPENAI not in row
    assert ASSEMBLYAI not in row
    assert Integration.objects.get().openai_key == OPENAI


def test_keys_are_in_no_log_and_no_text_of_an_object(
    acme: Tenant, ann: User, now: dt.datetime
) -> None:
    wish = Wish(url=FIRST, on=True, openai_key=OPENAI, assemblyai_key=ASSEMBLYAI)

    with capture_logs() as lines:
        changed = integrate.save(acme, ann, wish, now=now)
        integrate.remove(changed.integration, now=now)

    texts = f"{lines} {wish} {changed} {changed.integration!r}"
    assert "integration.saved" in texts
    for secret in (OPENAI, ASSEMBLYAI, changed.secret):
        assert secret not in texts


def test_a_key_stays_until_another_or_none_is_wished(
    saved: Callable[..., Integration], ann: User
) -> None:
    saved(ann, openai_key=OPENAI, assemblyai_key=ASSEMBLYAI)

    saved(ann)
    kept = Integration.objects.get()
    saved(ann, openai_key="")
    removed = Integration.objects.get()

    assert (kept.openai_key, kept.assemblyai_key) == (OPENAI, ASSEMBLYAI)
    assert (removed.openai_key, removed.assemblyai_key) == ("", ASSEMBLYAI)


@pytest.mark.parametrize(
    ("wishes", "notice"),
    [
        ({}, "switched off"),
        ({"call_summary": True}, "the OpenAI API key and the AssemblyAI API key are"),
        (
            {"call_summary": True, "openai_key": OPENAI},
            "AssemblyAI API key is not set",
        ),
        (
            {"call_summary": True, "assemblyai_key": ASSEMBLYAI},
            "OpenAI API key is not set",
        ),
    ],
)
def test_a_notice_says_why_no_summaries_are_made(
    saved: Callable[..., Integration], ann: User, wishes: dict[str, Any], notice: str
) -> None:
    integration = saved(ann, **wishes)

    assert notice in integrate.summaries_notice(integration)


def test_a_key_that_cannot_be_decrypted_is_said_to_be_so(
    saved: Callable[..., Integration], ann: User, settings: Any
) -> None:
    settings.FIELD_ENCRYPTION_KEYS = ["former"]
    saved(ann, call_summary=True, openai_key=OPENAI, assemblyai_key=ASSEMBLYAI)
    settings.FIELD_ENCRYPTION_KEYS = ["new"]

    notice = integrate.summaries_notice(Integration.objects.get())

    assert "cannot be decrypted" in notice


@pytest.mark.parametrize(
    ("wishes", "kept"),
    [
        ({"call_summary": True}, True),
        ({"call_summary": True, "openai_key": "sk-new"}, False),
        ({"call_summary": True, "assemblyai_key": ""}, False),
        ({"call_summary": False}, False),
    ],
)
def test_new_keys_and_the_switch_end_the_notice_about_a_refused_key(
    saved: Callable[..., Integration],
    ann: User,
    now: dt.datetime,
    wishes: dict[str, Any],
    kept: bool,
) -> None:
    saved(ann, call_summary=True, openai_key=OPENAI, assemblyai_key=ASSEMBLYAI)
    refused = "OpenAI refused the API key (401)."
    Integration.objects.update(notice=refused, notice_at=now)
    assert integrate.summaries_notice(Integration.objects.get()) == refused

    saved(ann, **wishes)

    integration = Integration.objects.get()
    assert bool(integration.notice) == kept
    assert (integration.notice_at is not None) == kept
