"""cdrhook erase: counts, erases, and says so."""

from __future__ import annotations

import datetime as dt

import pytest

from dispatcher.models import StoredCdr
from dispatcher.pipeline.accept import accept
from dispatcher.values import Caller, Cdr

pytestmark = [pytest.mark.db, pytest.mark.django_db]

NUMBER = "+442031703746"


@pytest.fixture
def called(acme, now):
    """A call of acme from the number."""
    started = now - dt.timedelta(minutes=1)
    cdr = Cdr(uid="c-1", started_at=started, caller=Caller(number=NUMBER))
    accept(acme, [cdr], source="test", now=now)


def test_a_number_is_counted_and_then_erased(called, run):
    command = ["erase", "--tenant=acme", f"--number={NUMBER}", "--json"]

    would = run(*command, "--dry-run").answer
    assert StoredCdr.objects.exists()
    did = run(*command).answer

    assert would == did | {"dry_run": True}
    assert (did["calls"], did["quarantined"]) == (1, 0)
    assert not StoredCdr.objects.exists()


def test_people_are_told_what_is_gone(called, run):
    would = run("erase", "--tenant=acme", f"--number={NUMBER}", "--dry-run")
    did = run("erase", "--tenant=acme", f"--number={NUMBER}")
    nothing = run("erase", "--tenant=acme", f"--number={NUMBER}")

    assert would.out == "Would be erased: 1 calls.\n"
    assert did.out == "Erased: 1 calls.\n"
    assert nothing.out == "Nothing holds that number.\n"


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["--tenant=nobody", f"--number={NUMBER}"], "tenant"),
        (["--tenant=acme", "--number=302"], "number"),
    ],
)
def test_an_argument_at_fault_is_named(called, run, arguments, field):
    ran = run("erase", *arguments, "--json")

    assert (ran.code, ran.out, ran.fields) == (1, "", [field])
    assert StoredCdr.objects.exists()


def test_tenant_and_number_are_required(acme, run):
    assert run("erase", "--tenant=acme").code == 2
    assert run("erase", f"--number={NUMBER}").code == 2
