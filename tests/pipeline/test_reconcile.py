"""What a partner reconciles with: counts and records of a range, page by page."""

from __future__ import annotations

import datetime as dt
from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dispatcher.models import CdrRevision, Partner, StoredCdr, Tenant, Webhook
from dispatcher.pipeline.reconcile import OrgCount, Page, count_by_org, records_of_org
from tests.pipeline.conftest import call

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.db, pytest.mark.django_db]

START = dt.datetime(2026, 11, 20, 9, 0, tzinfo=dt.UTC)
END = START + dt.timedelta(minutes=30)
MICROSECOND = dt.timedelta(microseconds=1)
SECOND = dt.timedelta(seconds=1)


@pytest.fixture
def partner() -> Partner:
    """A partner."""
    return Partner.objects.create(name="Operator")


@pytest.fixture
def tenant_of() -> Callable[..., Tenant]:
    """tenant_of(partner, external_id)."""

    def make(partner: Partner, external_id: str) -> Tenant:
        return Tenant.objects.create(external_id=external_id, name="x", partner=partner)

    return make


@pytest.fixture
def org(partner: Partner, tenant_of: Callable[..., Tenant]) -> Tenant:
    """An organisation of the partner."""
    return tenant_of(partner, "org")


def counted(partner: Partner, page: int = 1) -> dict[str, int]:
    """The counts of a page from START to END."""
    shown = count_by_org(partner, START, END, page)
    return {one.org_id: one.count for one in shown.items}


def recorded(org: Tenant, page: int = 1) -> list[str]:
    """The uids of a page from START to END."""
    shown = records_of_org(org, START, END, page)
    return [carried.cdr.uid for carried in shown.items]


def calls(count: int, *, end: dt.datetime = START, prefix: str = "c") -> list[Any]:
    """Calls that ended at the same time."""
    return [call(f"{prefix}{index}", ended_at=end) for index in range(count)]


# Which calls ------------------------------------------------------------------------


def test_a_range_holds_its_start_and_not_its_end(partner, org, take):
    ends = [START - MICROSECOND, START, END - MICROSECOND, END]
    take(org, *(call(f"c{index}", ended_at=end) for index, end in enumerate(ends)))

    assert counted(partner) == {"org": 2}
    assert recorded(org) == ["c1", "c2"]


def test_a_call_without_an_end_ended_after_its_duration(partner, org, take):
    take(org, call("a", ended_at=None, started_at=START - SECOND, duration=1))
    take(org, call("b", ended_at=None, started_at=START - SECOND, duration=0))

    assert recorded(org) == ["a"]


def test_a_call_that_is_known_to_have_begun_only_ended_when_it_was_accepted(
    org, take, now
):
    take(org, call("a", ended_at=None))

    shown = records_of_org(org, now, now + SECOND, 1)

    assert [carried.cdr.uid for carried in shown.items] == ["a"]


def test_a_record_is_counted_once_and_shown_as_it_was_first_accepted(
    partner, org, take
):
    take(org, call("a", ended_at=START, duration=1))
    take(org, call("a", ended_at=START, duration=1))
    take(org, call("a", ended_at=START + SECOND, duration=2))

    shown = records_of_org(org, START, END, 1)

    assert CdrRevision.objects.count() == 1
    assert counted(partner) == {"org": 1}
    assert [carried.cdr.duration for carried in shown.items] == [1]


def test_what_webhooks_want_is_of_no_account(partner, org, take):
    Webhook.objects.create(
        partner=partner,
        url="https://receiver.example/",
        style="feed",
        resource="billing",
        late_records="api_only",
    )
    take(org, *calls(3))

    assert counted(partner) == {"org": 3}
    assert len(recorded(org)) == 3


def test_only_the_partners_own_organisations_are_counted(
    partner, org, tenant_of, acme, outsider, take
):
    foreign = tenant_of(Partner.objects.create(name="Another"), "foreign")
    for tenant in (org, foreign, acme, outsider):
        take(tenant, *calls(1))

    assert counted(partner) == {"org": 1}
    assert counted(foreign.partner) == {"foreign": 1}


def test_a_record_is_carried_as_a_feed_carries_it(org, take, now):
    Tenant.objects.update(time_zone="Europe/Berlin")
    org.refresh_from_db()
    take(org, call("a", ended_at=START))

    carried = records_of_org(org, START, END, 1).items[0]

    assert carried.id == StoredCdr.objects.get().pk
    assert carried.cdr == call("a", ended_at=START)
    assert (carried.tenant_external_id, carried.tenant_zone) == (
        "org",
        "Europe/Berlin",
    )
    assert carried.accepted_at == now


# Pages ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "pages"), [(0, 1), (1, 1), (200, 1), (201, 2), (283, 2), (400, 2)]
)
def test_there_are_as_many_pages_as_it_takes_and_at_least_one(total, pages):
    page: Page[OrgCount] = Page(items=(), number=1, total=total, per_page=200)

    assert page.pages == pages


def test_organisations_come_in_the_order_of_their_ids_whatever_the_locale(
    partner, tenant_of, take
):
    for name in ("b", "a", "B", "a-b", "_", "aa", "9"):
        take(tenant_of(partner, name), *calls(1))

    assert list(counted(partner)) == ["9", "B", "_", "a", "a-b", "aa", "b"]


def test_283_organisations_with_calls_take_2_pages(partner, tenant_of, take):
    for number in range(283):
        take(tenant_of(partner, f"org-{number:03}"), *calls(1))
    tenant_of(partner, "org-without-calls")

    pages = [counted(partner, page) for page in (1, 2, 3)]

    assert [len(page) for page in pages] == [200, 83, 0]
    assert next(iter(pages[1])) == "org-200"
    assert count_by_org(partner, START, END, 2).total == 283


def test_1203_records_that_ended_at_once_take_3_pages_in_a_total_order(org, take):
    take(org, *calls(1203))

    pages = [recorded(org, page) for page in (1, 2, 3, 4)]

    assert [len(page) for page in pages] == [500, 500, 203, 0]
    assert list(chain(*pages)) == list(
        StoredCdr.objects.order_by("id").values_list("uid", flat=True)
    )


def test_a_record_that_comes_late_makes_a_reader_miss_none_that_was_there(org, take):
    take(org, *calls(600, end=START + SECOND))
    before = set(recorded(org, 1) + recorded(org, 2))

    first = recorded(org, 1)
    take(org, *calls(3, end=START, prefix="late"))
    second = recorded(org, 2)

    assert before <= {*first, *second}


# What it costs ----------------------------------------------------------------------


def test_counting_takes_one_query_and_a_page_of_records_three(
    partner, org, tenant_of, take, django_assert_num_queries
):
    for tenant in (org, tenant_of(partner, "second"), tenant_of(partner, "third")):
        take(tenant, *calls(10))

    with django_assert_num_queries(1):
        assert len(counted(partner)) == 3
    with django_assert_num_queries(3):
        assert len(recorded(org)) == 10


def test_ranges_are_read_from_the_index(partner, org, take):
    for hours in range(20):
        end = START + dt.timedelta(hours=hours)
        take(org, *calls(250, end=end, prefix=f"{hours}-"))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")

    with CaptureQueriesContext(connection) as queries:
        counted(partner)
        recorded(org)
    counting, ids, _by_id, total = [query["sql"] for query in queries]

    for sql in (counting, ids, total):
        assert "cdr_call_end" in plan_of(sql)


def plan_of(sql: str) -> str:
    """How the database goes about a query."""
    explain = {"sqlite": "EXPLAIN QUERY PLAN", "postgresql": "EXPLAIN"}
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Of a table this small it may as well read all.
            cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"{explain[connection.vendor]} {sql}")
        return str(cursor.fetchall())
