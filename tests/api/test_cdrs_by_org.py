"""GET /v1/partners/cdrsbyorg: the records of an organisation's calls, to catch up with.

What it has in common with the counts is tested in test_cdr_count_by_org.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
import time_machine

from dispatcher.api.partner_query import ON_THE_WAY
from dispatcher.models import Partner, StoredCdr, Tenant
from dispatcher.payloads import feed
from dispatcher.values import CarriedCdr, Cdr, Line, Rating
from tests.api.reconciliation import (
    COUNTS,
    END,
    MS,
    NEWEST,
    OLDEST,
    RECORDS,
    START,
    ended,
    headers,
    query,
    refused,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.db, pytest.mark.django_db, pytest.mark.usefixtures("_clock")]

SECOND = dt.timedelta(seconds=1)


@pytest.fixture
def _clock(now: dt.datetime) -> Iterator[None]:
    """It is `now`, and stays so."""
    with time_machine.travel(now, tick=False):
        yield


def asked(client: Any, **parameters: Any) -> Any:
    """The answer about initech's records from START to END, unless told otherwise."""
    return client.get(f"{RECORDS}?{query(**{'orgId': 'initech', **parameters})}")


def total_of(response: Any) -> tuple[int, int, int]:
    return headers(response, "total-records")


def uids(response: Any) -> list[str]:
    """The calls of a page, by the name under which we sent the uid."""
    return [item["Local call ID"] for item in response.json()["items"]]


def told(response: Any) -> Any:
    """All that an answer tells, but for its tracking id."""
    tracking_id = response["trackingid"].encode()
    answered = sorted(response.headers.items())
    return (
        response.status_code,
        response.content.replace(tracking_id, b""),
        [(name, value.replace(tracking_id.decode(), "")) for name, value in answered],
    )


# Records ----------------------------------------------------------------------------


def test_it_answers_with_the_items_that_the_feed_sends(initech, operator, now):
    ended(initech, [START], dialed=Line(number="+442039702436"), direction="inbound")
    row = StoredCdr.objects.get()

    response = asked(operator)

    started = START - dt.timedelta(minutes=1)
    carried = CarriedCdr(
        id=row.pk,
        cdr=Cdr(
            uid="0",
            started_at=started,
            ended_at=START,
            dialed=Line(number="+442039702436"),
            direction="inbound",
        ),
        tenant_external_id="initech",
        tenant_zone="UTC",
        accepted_at=now,
    )
    assert response.json() == {"items": [feed.item(carried)]}
    assert response["Content-Type"] == "application/json"
    assert total_of(response) == (1, 1, 1)


def test_its_items_carry_webex_names(initech, operator):
    ended(initech, [START], report_id="r-1", direction="inbound")

    item = asked(operator).json()["items"][0]

    assert (item["Org UUID"], item["Report ID"]) == ("initech", "r-1")
    assert item["Direction"] == "TERMINATING"
    assert item["Release time"] == "2026-11-20T08:00:00.000Z"
    assert item["Report time"] == "2026-11-20T10:00:00.000Z"
    assert item["Authorization code"] == ""


def test_an_item_has_the_tenants_zone(initech, operator):
    Tenant.objects.update(time_zone="America/New_York")
    ended(initech, [START])
    row = StoredCdr.objects.get()

    item = asked(operator).json()["items"][0]

    known = feed.item(
        CarriedCdr(
            id=row.pk,
            cdr=Cdr(uid="0", started_at=row.started_at, ended_at=START),
            tenant_external_id="initech",
            tenant_zone="America/New_York",
            accepted_at=row.accepted_at,
        )
    )
    assert item == known


def test_numbers_and_letters_come_unharmed(initech, operator):
    ended(initech, [START], rating=Rating(name="Ü €"), dialed=Line(name="Zoë 東京"))

    response = asked(operator)

    item = json.loads(response.content.decode("utf-8"))["items"][0]
    assert item["Called line ID"] == "Zoë 東京"


def test_the_range_is_half_open_to_the_millisecond(initech, operator):
    ended(initech, [START - MS, START, END - MS, END])

    assert uids(asked(operator)) == ["1", "2"]


def test_records_come_in_order_of_the_calls_end(initech, operator):
    ended(initech, [START + 2 * SECOND, START, START + SECOND])

    assert uids(asked(operator)) == ["1", "2", "0"]


def test_it_holds_the_calls_of_the_one_organisation(partner, initech, operator):
    other = Tenant.objects.create(external_id="hooli", name="Hooli", partner=partner)
    ended(initech, [START])
    ended(other, [START, START])

    assert total_of(asked(operator)) == (1, 1, 1)
    assert total_of(asked(operator, orgId="hooli")) == (1, 2, 1)


def test_1203_records_take_3_pages_each_once(initech, operator):
    # Three calls a second: the order within a second is the ids'.
    ended(initech, [START + index // 3 * SECOND for index in range(1203)])

    pages = [asked(operator, page=page) for page in (1, 2, 3)]

    assert [total_of(page) for page in pages] == [(3, 1203, n) for n in (1, 2, 3)]
    assert [len(page.json()["items"]) for page in pages] == [500, 500, 203]
    listed = [item["Report ID"] for page in pages for item in page.json()["items"]]
    rows = StoredCdr.objects.order_by("call_end", "id").values_list("pk", flat=True)
    assert listed == [str(pk) for pk in rows]


def test_500_records_are_one_page_and_501_are_two(initech, operator):
    ended(initech, [START] * 500)
    assert total_of(asked(operator)) == (1, 500, 1)

    StoredCdr.objects.filter(uid="0").update(uid="first")
    ended(initech, [START])

    assert total_of(asked(operator, page=2)) == (2, 501, 2)
    assert len(uids(asked(operator, page=2))) == 1


def test_an_empty_result_has_one_page(initech, operator):
    response = asked(operator)

    assert (response.status_code, response.json()) == (200, {"items": []})
    assert total_of(response) == (1, 0, 1)


def test_beyond_the_last_page_there_is_nothing(initech, operator):
    ended(initech, [START])

    response = asked(operator, page=3)

    assert (response.status_code, response.json()) == (200, {"items": []})
    assert total_of(response) == (1, 1, 3)


# Parameters -------------------------------------------------------------------------


def test_more_than_an_hour_may_be_asked_for(initech, operator):
    ended(initech, [OLDEST, NEWEST - MS, NEWEST])

    response = asked(operator, startTime=OLDEST, endTime=NEWEST)

    assert uids(response) == ["0", "1"]


@pytest.mark.parametrize(
    ("start", "end", "parameter"),
    [
        (OLDEST - ON_THE_WAY - MS, END, "startTime"),
        (START, NEWEST + MS, "endTime"),
        (END, END, "startTime"),
        (END, START, "startTime"),
        (None, END, "startTime"),
        (START, None, "endTime"),
        ("2026-11-20T08:00:00Z", END, "startTime"),
        (START, "2026-11-20T08:30:00.0Z", "endTime"),
    ],
)
def test_a_range_that_is_wrong_is_named(initech, operator, start, end, parameter):
    response = asked(operator, startTime=start, endTime=end)

    assert parameter in refused(response, 400)


@pytest.mark.parametrize("page", ["0", "-1", "", "two", "1.5"])
def test_a_page_that_is_no_number_from_1_is_named(initech, operator, page):
    assert "page" in refused(asked(operator, page=page), 400)


def test_the_organisation_may_be_spelled_either_way(initech, operator):
    ended(initech, [START])

    either = [
        asked(operator, orgId=None, orgID="initech"),
        asked(operator, orgId="initech", orgID="initech"),
    ]

    assert [uids(response) for response in either] == [["0"], ["0"]]


@pytest.mark.parametrize(
    "parameters",
    [
        {"orgId": None},
        {"orgId": ""},
        {"orgId": None, "orgID": ""},
        {"orgId": "initech", "orgID": "hooli"},
        {"orgId": None, "orgid": "initech"},
    ],
)
def test_an_organisation_that_is_not_named_is_asked_for(initech, operator, parameters):
    assert "orgId" in refused(asked(operator, **parameters), 400)


def test_an_extra_parameter_breaks_nothing(initech, operator):
    assert asked(operator, max=500, locations="x").status_code == 200


def test_a_plus_that_was_not_encoded_is_understood(partner, operator):
    Tenant.objects.create(external_id="acme+uk", name="Acme", partner=partner)

    response = operator.get(f"{RECORDS}?orgId=acme+uk&{query()}")

    assert response.status_code == 200


# Isolation --------------------------------------------------------------------------


def test_foreign_and_unknown_organisations_are_told_apart_by_nothing(
    acme, initech, operator
):
    another = Partner.objects.create(name="Another")
    foreign = Tenant.objects.create(external_id="hooli", name="x", partner=another)
    for tenant in (acme, foreign):
        ended(tenant, [START])

    names = ["nobody", "acme", "hooli", "\x00", "a b", "x" * 500, "INITECH"]
    answers = [told(asked(operator, orgId=name)) for name in names]

    assert answers == [answers[0]] * len(names)
    assert answers[0][0] == 404
    refused(asked(operator, orgId="nobody"), 404)


# A client ---------------------------------------------------------------------------


class Reconciler:
    """A partner's program, written from nothing but the document's text."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def _pages(self, url: str) -> Iterator[Any]:
        """Every page: the second is had by adding page=2 to the GET request."""
        response = self._client.get(url)
        yield response.json()
        for page in range(2, int(response.headers["num-pages"]) + 1):
            response = self._client.get(f"{url}&page={page}")
            assert response.headers["current-page"] == str(page)
            yield response.json()

    def counts(self, start: str, end: str) -> dict[str, int]:
        url = f"/v1/partners/cdrcountbyorg?endTime={end}&startTime={start}"
        return {
            entry["orgId"]: entry["count"]
            for page in self._pages(url)
            for entry in page["cdr_counts"]
        }

    def records(self, org_id: str, start: str, end: str) -> list[dict[str, Any]]:
        url = f"/v1/partners/cdrsbyorg?orgId={org_id}&endTime={end}&startTime={start}"
        return [record for page in self._pages(url) for record in page["items"]]


def test_a_client_written_from_the_document_gets_every_record_once(partner, operator):
    tenants = Tenant.objects.bulk_create(
        Tenant(external_id=f"org-{number:03}", name="x", partner=partner)
        for number in range(203)
    )
    for tenant in tenants:
        ended(tenant, [START + 10 * SECOND])
    StoredCdr.objects.filter(tenant=tenants[7]).delete()
    ended(tenants[7], [START + index * SECOND for index in range(1203)])
    reconciler, hour = (
        Reconciler(operator),
        (
            "2026-11-20T08:00:00.000Z",
            "2026-11-20T09:00:00.000Z",
        ),
    )

    counts = reconciler.counts(*hour)
    records = {org: reconciler.records(org, *hour) for org in list(counts)[5:9]}

    assert (len(counts), sum(counts.values())) == (203, 202 + 1203)
    assert {org: len(found) for org, found in records.items()} == {
        "org-005": 1,
        "org-006": 1,
        "org-007": 1203,
        "org-008": 1,
    }
    of_one = records["org-007"]
    assert len({record["Report ID"] for record in of_one}) == 1203
    assert {record["Org UUID"] for record in of_one} == {"org-007"}


def test_counts_and_records_agree(initech, operator):
    ended(initech, [START + index * 7 * SECOND for index in range(40)])

    counts = operator.get(f"{COUNTS}?{query()}").json()["cdr_counts"]

    assert counts[0]["count"] == len(uids(asked(operator))) == 40
