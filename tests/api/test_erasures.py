"""A number is erased by HTTP; what takes long is gone on with by a cursor."""

from __future__ import annotations

import pytest

from dispatcher.api import erasures
from dispatcher.models import Partner, StoredCdr
from dispatcher.pipeline import erase
from tests.api.conftest import record

pytestmark = [pytest.mark.db, pytest.mark.django_db]

PATH = "/api/v1/erasures"
NUMBER = "+442031703746"


@pytest.fixture
def calls(send):
    """Three calls of acme with the number, one without."""
    cdrs = [record(f"c-{number}") for number in range(3)]
    other = record("other", caller={"number": "+441632960001"})
    assert send("POST", "/api/v1/cdrs", {"cdrs": [*cdrs, other]})[0] == 202


def test_a_number_is_erased_and_counted(calls, send):
    would = send("POST", PATH, {"number": NUMBER, "dry_run": True})
    status, answer = send("POST", PATH, {"number": NUMBER})

    assert would == (200, answer | {"dry_run": True})
    assert status == 200
    assert answer == {
        "done": True,
        "cursor": None,
        "dry_run": False,
        "calls": 3,
        "revisions": 0,
        "summaries": 0,
        "recordings": 0,
        "deliveries": 0,
        "attempts": 0,
        "quarantined": 0,
        "legs": 0,
    }
    assert StoredCdr.objects.get().uid == "other"


def test_what_takes_long_is_gone_on_with(calls, send, monkeypatch):
    monkeypatch.setattr(erasures, "ANSWER_SECONDS", 0.0)
    monkeypatch.setattr(erase, "STEP", 1)
    counted, answers = 0, list[int]()
    cursor: str | None = ""

    while cursor is not None:
        status, answer = send("POST", PATH, {"number": NUMBER, "cursor": cursor})
        answers.append(status)
        counted, cursor = counted + answer["calls"], answer["cursor"]

    assert counted == 3
    assert answers[-1] == 200
    assert set(answers[:-1]) == {202}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"number": "302"}, "number"),
        ({"number": ""}, "number"),
        ({}, "number"),
        ({"number": 442031703746}, "number"),
        ({"number": NUMBER, "cursor": "x"}, "cursor"),
        ({"number": NUMBER, "all": True}, "all"),
    ],
)
def test_what_cannot_be_erased_names_the_field(calls, send, body, field):
    status, problem = send("POST", PATH, body)

    assert status == 422
    assert [error["field"] for error in problem["errors"]] == [field]
    assert StoredCdr.objects.count() == 4


def test_it_takes_the_scope_manage(acme, calls, send, client_for):
    reader = client_for(acme, "read", "ingest")

    assert send("POST", PATH, {"number": NUMBER}, reader)[0] == 403
    assert StoredCdr.objects.count() == 4


def test_of_others_nothing_is_erased(globex, calls, send, client_for):
    status, answer = send("POST", PATH, {"number": NUMBER}, client_for(globex))

    assert (status, answer["calls"]) == (200, 0)
    assert StoredCdr.objects.count() == 4


def test_a_partner_names_the_tenant(acme, calls, send, client_for):
    partner = Partner.objects.create(name="Operator")
    client = client_for(partner, "manage")

    assert send("POST", f"{PATH}?tenant=acme", {"number": NUMBER}, client)[0] == 404
    acme.partner = partner
    acme.save()
    assert send("POST", PATH, {"number": NUMBER}, client)[0] == 422
    _, answer = send("POST", f"{PATH}?tenant=acme", {"number": NUMBER}, client)
    assert answer["calls"] == 3


def test_what_is_being_sent_for_too_long_is_answered_503(send, monkeypatch):
    def steps():
        yield from ()
        raise erase.BusyError("a delivery is under way")

    def busy(*_arguments, **_options):
        return steps()

    monkeypatch.setattr(erasures, "erase", busy)

    status, problem = send("POST", PATH, {"number": NUMBER})

    assert (status, problem["detail"]) == (503, "a delivery is under way")
