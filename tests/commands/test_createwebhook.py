"""createwebhook: every flag has its effect."""

from __future__ import annotations

import datetime as dt

import pytest
import time_machine
import trustme
from django.utils import timezone

from dispatcher import tasks
from dispatcher.models import OwedCdr, Partner, Webhook
from dispatcher.pipeline.accept import accept
from dispatcher.pipeline.subscribe import draft_of
from dispatcher.values import Cdr, Filter
from tests.sending.identities import authority_of, chain_of, key_of

pytestmark = [pytest.mark.db, pytest.mark.django_db]

MINIMUM = ["createwebhook", "--tenant=acme", "--url=https://receiver.example/cdr"]
ENVELOPE = [*MINIMUM, "--style=envelope", "--json"]


def test_a_webhook_is_made_with_the_documented_defaults(acme, run):
    answer = run(*ENVELOPE).answer

    webhook = Webhook.objects.get()
    assert answer == {"id": str(webhook.pk), "secret": webhook.secret}
    assert answer["secret"].startswith("whsec_")
    assert (webhook.tenant, webhook.style, webhook.active) == (acme, "envelope", True)
    assert (webhook.method, webhook.format, webhook.retries) == ("POST", "json", 1)


@pytest.mark.parametrize(
    ("flags", "name", "value"),
    [
        (["--method=PUT"], "method", "PUT"),
        (["--format=form"], "format", "form"),
        (["--retries=0"], "retries", 0),
        (["--retries", "10"], "retries", 10),
        (["--max-in-flight=1"], "max_in_flight", 1),
        (["--when-down=try"], "when_down", "try"),
        (["--batch-size=7"], "batch_size", 7),
        (["--batch-seconds=5"], "batch_seconds", 5),
        (["--resource=billing"], "resource", "billing"),
        (["--late-records=api_only"], "late_records", "api_only"),
        (["--empty-windows"], "empty_windows", True),
        (["--mask=hash"], "mask", "hash"),
        (["--mask-digits=6"], "mask_digits", 6),
        (["--allow=cliNum", "--allow", "dur"], "allowed_fields", ["cliNum", "dur"]),
        (["--inactive"], "active", False),
        (["--custom=a=b=c", "--custom=d="], "custom_data", (("a", "b=c"), ("d", ""))),
        (["--header=x-api-key=k=1"], "headers", (("x-api-key", "k=1"),)),
        (
            ["--filter=dir:eq:inbound", "--filter=cliName:contains:a:b"],
            "filters",
            (Filter("dir", "eq", "inbound"), Filter("cliName", "contains", "a:b")),
        ),
    ],
)
def test_every_flag_has_its_effect(acme, run, flags, name, value):
    ran = run(*ENVELOPE, *flags)

    assert ran.code == 0
    assert getattr(draft_of(Webhook.objects.get()), name) == value


@pytest.mark.parametrize(
    ("given", "answered", "stored"), [("none", None, ""), ("mine", "mine", "mine")]
)
def test_a_secret_may_be_given_or_declined(acme, run, given, answered, stored):
    answer = run(*ENVELOPE, f"--secret={given}").answer

    assert answer["secret"] == answered
    assert Webhook.objects.get().secret == stored


def test_a_partner_may_own_it(run):
    partner = Partner.objects.create(name="Operator")

    run(
        "createwebhook",
        f"--partner={partner.pk}",
        "--url=https://receiver.example/",
        "--style=flat",
        "--json",
    )

    assert Webhook.objects.get().partner == partner


@pytest.mark.parametrize(
    ("flags", "field"),
    [
        (["--retries=11"], "retries"),
        (["--retries=-1"], "retries"),
        (["--method=PATCH"], "method"),
        (["--filter=dir"], "filters.0"),
        (["--filter=dur:gt:1", "--filter=dur:gt:x"], "filters.1.value"),
        (["--custom=a=1", "--custom=a=2"], "custom_data"),
        (["--header=host=x"], "headers"),
        (["--url=https://169.254.169.254/"], "url"),
        (["--style=nonsense"], "style"),
        (["--allow=nope"], "allowed_fields"),
        (["--tenant=nobody"], "tenant"),
    ],
)
def test_what_may_not_be_saved_is_a_problem_that_names_it(acme, run, flags, field):
    ran = run(*ENVELOPE, *flags)

    assert (ran.code, ran.out) == (1, "")
    assert field in ran.fields
    assert not Webhook.objects.exists()


@pytest.mark.parametrize(
    "flags",
    [
        ["--format=xml"],
        ["--when-down=wait"],
        ["--resource=all"],
        ["--late-records=never"],
        ["--mask=stars"],
        ["--retries=few"],
        ["--custom=a"],
        ["--header=a"],
        ["--last-hours=0"],
        ["--last-hours=many"],
        ["--nonsense"],
    ],
)
def test_bad_usage_exits_2(acme, run, flags):
    assert run(*ENVELOPE, *flags).code == 2


def test_it_can_be_given_the_calls_of_its_last_hours(acme, run, monkeypatch):
    monkeypatch.setattr(tasks, "wake_up", lambda _webhooks: None)
    cdr = Cdr(uid="a", started_at=timezone.now(), direction="inbound")
    hour = dt.timedelta(hours=1)
    with time_machine.travel(timezone.now() - 2 * hour):
        accept(acme, [cdr], source="test", now=timezone.now())

    without = run(*ENVELOPE, "--last-hours=1").answer["id"]
    told = run(*MINIMUM, "--style=envelope", "--last-hours=3")

    owed = OwedCdr.objects.get()
    assert str(owed.webhook_id) != without
    assert "It gets those of 1 past calls that its filters let through." in told.out


def test_url_and_style_are_required(acme, run):
    assert run(*MINIMUM).code == 2
    assert run("createwebhook", "--tenant=acme", "--style=flat").code == 2


def test_people_are_shown_the_secret_once(acme, run):
    signed = run(*MINIMUM, "--style=envelope")
    unsigned = run(*MINIMUM, "--style=envelope", "--secret=none")

    assert "whsec_" in signed.out
    assert unsigned.out.endswith("Unsigned.\n")


def test_people_are_told_what_is_at_fault(acme, run):
    ran = run(*MINIMUM, "--style=envelope", "--retries=11")

    assert ran.code == 1
    assert "retries: " in ran.err


@pytest.fixture
def files(tmp_path):
    """Options that name files with what they are to hold."""
    ca = trustme.CA()
    client = ca.issue_cert("client.example")
    texts = {
        "ca-file": authority_of(ca),
        "client-cert-file": chain_of(client),
        "client-key-file": key_of(client),
        "basic-password-file": "hunter2\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return [f"--{name}={tmp_path / name}" for name in texts]


def test_certificates_and_password_come_from_files(acme, run, files):
    ran = run(*ENVELOPE, *files, "--basic-user=cdrhook")

    webhook = Webhook.objects.get()
    assert ran.answer["id"] == str(webhook.pk)
    assert (webhook.basic_username, webhook.basic_password) == ("cdrhook", "hunter2")
    assert webhook.client_key.startswith("-----BEGIN")
    assert "BEGIN CERTIFICATE" in webhook.ca_certificates


def test_a_file_that_cannot_be_read_is_named(acme, run, tmp_path):
    ran = run(*ENVELOPE, f"--client-key-file={tmp_path / 'missing'}")

    assert ran.code == 1
    assert ran.problem["errors"][0]["field"] == "client_key"
    assert "missing cannot be read" in ran.problem["errors"][0]["message"]
