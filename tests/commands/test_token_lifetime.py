"""createtoken with an end, and revoketoken."""

from __future__ import annotations

import datetime as dt
import io

import pytest
from django.test import Client
from django.utils import timezone

from dispatcher.models import ApiToken, Partner

pytestmark = [pytest.mark.db, pytest.mark.django_db]

MAKE = ("createtoken", "--tenant=acme", "--scope=read", "--json")


def status_of(token: str) -> int:
    client = Client(headers={"authorization": f"Bearer {token}"})
    return client.get("/api/v1/webhooks").status_code


def test_a_token_has_no_end_unless_one_is_asked_for(acme, run):
    run(*MAKE)

    assert ApiToken.objects.get().expires_at is None


def test_a_token_ends_after_days_or_at_a_time(acme, run):
    run(*MAKE, "--expires-days=30", "--name=dashboard")
    run(*MAKE, "--expires=2031-01-02T03:04:05Z")

    second, first = ApiToken.objects.order_by("-created_at")
    assert first.expires_at is not None
    left = first.expires_at - timezone.now()
    assert dt.timedelta(days=29, hours=23) < left <= dt.timedelta(days=30)
    assert first.name == "dashboard"
    assert second.expires_at == dt.datetime(2031, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    "end",
    [
        ["--expires-days=0"],
        ["--expires-days=-1"],
        ["--expires-days=1.5"],
        ["--expires-days=99999999999"],
        ["--expires=tomorrow"],
        ["--expires=9999-12-31T23:59:59-23:59"],
        ["--expires-days=1", "--expires=2031-01-02"],
    ],
)
def test_an_end_that_is_none_is_bad_usage(acme, run, end):
    assert run(*MAKE, *end).code == 2
    assert not ApiToken.objects.exists()


def test_a_time_that_is_over_is_a_failure(acme, run):
    ran = run(*MAKE, "--expires=2020-01-01")

    assert (ran.code, ran.fields) == (1, ["expires"])
    assert not ApiToken.objects.exists()


def test_a_token_is_revoked_by_its_ending(acme, run):
    kept, ended = (run(*MAKE).answer["token"] for _ in range(2))

    ran = run("revoketoken", "--tenant=acme", f"--ending={ended[-4:]}", "--json")

    assert ran.answer == {"revoked": 1}
    assert (status_of(kept), status_of(ended)) == (200, 401)


def test_a_token_that_was_found_somewhere_is_revoked_by_its_text(
    acme, run, monkeypatch
):
    first, second = (run(*MAKE).answer["token"] for _ in range(2))
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{second}\n"))

    assert run("revoketoken", f"--token={first}").out == "Revoked: 1.\n"
    assert run("revoketoken", "--token=-").out == "Revoked: 1.\n"
    assert (status_of(first), status_of(second)) == (401, 401)


def test_all_tokens_of_an_owner_are_revoked_and_no_others(acme, globex, run, token_of):
    partner = Partner.objects.create(name="Operator")
    others = [token_of(globex, "read"), token_of(partner, "read")]
    for _ in range(2):
        run(*MAKE)

    assert run("revoketoken", "--tenant=acme", "--all", "--json").answer["revoked"] == 2
    assert status_of(others[0]) == 200
    revoked = ApiToken.objects.filter(revoked_at__isnull=False)
    assert {token.tenant for token in revoked} == {acme}


def test_what_is_revoked_stays_as_it_was(acme, run):
    run(*MAKE)
    run("revoketoken", "--tenant=acme", "--all")
    revoked_at = ApiToken.objects.get().revoked_at

    again = run("revoketoken", "--tenant=acme", "--all", "--json")

    assert (again.code, again.fields) == (1, ["all"])
    assert ApiToken.objects.get().revoked_at == revoked_at


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["--token=cdr_unknown"], "token"),
        (["--tenant=acme", "--ending=zzzz"], "ending"),
        (["--tenant=nobody", "--all"], "tenant"),
        (["--all"], "tenant"),
        (["--ending=zzzz"], "tenant"),
    ],
)
def test_what_cannot_be_revoked_is_a_failure(acme, run, arguments, field):
    ran = run("revoketoken", *arguments, "--json")

    assert (ran.code, ran.fields) == (1, [field])


def test_a_token_is_replaced_without_a_moment_in_which_none_is_good(acme, run):
    old = run(*MAKE).answer["token"]
    new = run(*MAKE).answer["token"]
    assert (status_of(old), status_of(new)) == (200, 200)
    run("revoketoken", f"--token={old}")

    assert (status_of(old), status_of(new)) == (401, 200)
