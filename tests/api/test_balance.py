"""GET /api/v1/balance: who may ask, for which hours, and what is told."""

from __future__ import annotations

import datetime as dt

import pytest

from dispatcher.models import Partner, StoredCdr
from tests.api.conftest import record

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def posted(send):
    """One good record, the same again, and a bad one."""

    def post(client, uid="c-1", tenant=None):
        path = "/api/v1/cdrs" + (f"?tenant={tenant}" if tenant else "")
        bad = {"uid": "no start"}
        body = {"cdrs": [record(uid), record(uid), bad]}
        status, _ = send("POST", path, body, client)
        assert status == 202

    return post


def test_it_tells_of_the_last_24_hours(api, send, posted, acme, webhook_of):
    webhook = webhook_of(acme)
    posted(api)

    status, found = send("GET", "/api/v1/balance")

    assert status == 200
    assert (found["tenant"], found["totals"]["balanced"]) == ("acme", True)
    [hour] = found["hours"]
    names = ("received", "accepted", "duplicates", "rejected")
    assert [hour[name] for name in names] == [3, 1, 1, 1]
    [at] = hour["webhooks"]
    assert (at["webhook"], at["url"]) == (str(webhook.pk), webhook.url)
    assert (at["considered"], at["matched"], at["pending"]) == (1, 1, 1)
    until, since = (dt.datetime.fromisoformat(found[end]) for end in ("until", "since"))
    assert until - since == dt.timedelta(hours=24)


def test_records_that_are_all_refused_are_counted(send):
    status, _ = send("POST", "/api/v1/cdrs", {"uid": "no start"})
    assert status == 422

    _, found = send("GET", "/api/v1/balance")

    assert (found["totals"]["received"], found["totals"]["rejected"]) == (1, 1)


@pytest.mark.parametrize("body", [b"{", b"[]", {"cdrs": [{}] * 1001}])
def test_requests_that_hold_no_records_are_not_counted(send, body):
    status, _ = send("POST", "/api/v1/cdrs", body)
    assert status in {400, 413, 422}

    _, found = send("GET", "/api/v1/balance")

    assert (found["hours"], found["totals"]["received"]) == ([], 0)


def test_a_difference_is_named(api, send, posted):
    posted(api)
    StoredCdr.objects.all().delete()

    _, found = send("GET", "/api/v1/balance")

    [hour] = found["hours"]
    assert hour["balanced"] is found["totals"]["balanced"] is False
    assert hour["difference"] == [
        {"what": "accepted", "webhook": None, "counted": 1, "found": 0}
    ]


def test_a_range_is_widened_to_whole_hours(send):
    _, found = send(
        "GET", "/api/v1/balance?since=2026-11-20T10:30:00Z&until=2026-11-20T11:00:01Z"
    )

    assert found["since"] == "2026-11-20T10:00:00Z"
    assert found["until"] == "2026-11-20T12:00:00Z"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("since=2026-11-20T10:00:00Z&until=2026-11-20T09:00:00Z", "since"),
        ("since=2026-10-01T00:00:00Z&until=2026-11-20T09:00:00Z", "until"),
        ("since=yesterday", "since"),
    ],
)
def test_hours_that_cannot_be_asked_for_are_named(send, query, field):
    status, problem = send("GET", f"/api/v1/balance?{query}")

    assert status == 422
    assert [error["field"] for error in problem["errors"]] == [field]


# Who may ask ----------------------------------------------------------------------------


def test_it_needs_the_scope_read(acme, send, client_for):
    assert send("GET", "/api/v1/balance", client=client_for(acme, "ingest"))[0] == 403


def test_what_others_received_is_not_in_it(
    acme, globex, send, posted, client_for, webhook_of
):
    webhook_of(globex)
    posted(client_for(globex))

    _, found = send("GET", "/api/v1/balance", client=client_for(acme))

    assert (found["hours"], found["totals"]["webhooks"]) == ([], [])


def test_another_tenant_is_as_unknown_as_none(globex, send):
    foreign = send("GET", "/api/v1/balance?tenant=globex")
    unknown = send("GET", "/api/v1/balance?tenant=nobody")

    assert foreign == unknown
    assert foreign[0] == 404


def test_a_partner_names_the_tenant(operator, initech, globex, send):
    def status(query):
        return send("GET", f"/api/v1/balance{query}", client=operator)[0]

    assert [status(q) for q in ("", "?tenant=initech", "?tenant=globex")] == [
        422, 200, 404,
    ]  # fmt: skip


def test_a_partners_webhooks_are_told_to_the_partner_alone(
    operator, initech, partner, client_for, send, posted, webhook_of
):
    own, of_partner = webhook_of(initech), webhook_of(partner)
    posted(client_for(initech))

    def webhooks(client):
        _, found = send("GET", "/api/v1/balance?tenant=initech", client=client)
        return {webhook["webhook"] for webhook in found["totals"]["webhooks"]}

    assert webhooks(operator) == {str(own.pk), str(of_partner.pk)}
    assert webhooks(client_for(initech)) == {str(own.pk)}


def test_a_former_partners_webhooks_are_not_told_to_the_next(
    partner, initech, client_for, send, posted, webhook_of
):
    webhook_of(partner)
    posted(client_for(initech))
    initech.partner = Partner.objects.create(name="Next")
    initech.save()

    _, found = send(
        "GET",
        "/api/v1/balance?tenant=initech",
        client=client_for(initech.partner, "read"),
    )

    assert (found["totals"]["accepted"], found["totals"]["webhooks"]) == (1, [])
