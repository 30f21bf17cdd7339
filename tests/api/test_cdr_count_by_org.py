"""GET /v1/partners/cdrcountbyorg: how many calls of each organisation ended in a range.

What both reconciliation APIs have in common (tokens, errors, the limit) is tested here.
"""

from __future__ import annotations

import datetime as dt
import logging
import re
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from django.db import OperationalError
from django.test import Client

from cdrhook.supervisor.ports import free_port
from dispatcher import broker as broker_module
from dispatcher.api.partner_query import ON_THE_WAY
from dispatcher.models import ApiToken, Partner, Tenant, Webhook
from dispatcher.pipeline import reconcile
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
    text,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.db, pytest.mark.django_db, pytest.mark.usefixtures("_clock")]

HOUR = dt.timedelta(hours=1)
SECOND = dt.timedelta(seconds=1)


@pytest.fixture
def _clock(now: dt.datetime) -> Iterator[None]:
    """It is `now`, and stays so."""
    with time_machine.travel(now, tick=False):
        yield


@pytest.fixture
def no_broker(settings: Any) -> Iterator[None]:
    """No broker answers."""
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    yield from _forgotten()


@pytest.fixture
def limit(broker: None, settings: Any) -> Iterator[Callable[[int], None]]:
    """limit(n): a partner may ask n times a minute; nobody has asked yet."""

    def be(per_minute: int) -> None:
        settings.CDRHOOK_RECONCILIATION_PER_MINUTE = per_minute
        broker_module.client().flushall()

    for _ in _forgotten():
        yield be


def _forgotten() -> Iterator[None]:
    """Forgets before and after what the process remembers of its broker."""
    broker_module.client.cache_clear()
    broker_module._away_until = 0.0
    yield
    broker_module.client().close()
    broker_module.client.cache_clear()
    broker_module._away_until = 0.0


def total_of(response: Any) -> tuple[int, int, int]:
    return headers(response, "total-orgs")


# Counts -----------------------------------------------------------------------------


def test_it_answers_in_the_documented_shape(partner, initech, operator):
    other = Tenant.objects.create(external_id="hooli", name="Hooli", partner=partner)
    ended(initech, [START, START + SECOND])
    ended(other, [START])

    response = operator.get(f"{COUNTS}?{query()}")

    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    assert response.json() == {
        "cdr_counts": [
            {"orgId": "hooli", "count": 1},
            {"orgId": "initech", "count": 2},
        ]
    }
    assert total_of(response) == (1, 2, 1)


def test_the_range_is_half_open_to_the_millisecond(initech, operator):
    ended(initech, [START - MS, START, END - MS, END])

    response = operator.get(f"{COUNTS}?{query()}")

    assert response.json()["cdr_counts"] == [{"orgId": "initech", "count": 2}]


def test_it_counts_calls_that_the_feed_leaves_out(partner, initech, operator):
    Webhook.objects.create(
        partner=partner,
        url="https://receiver.example/feed",
        style="feed",
        resource="billing",
    )
    ended(initech, [START, START], sold_by_partner=False, user_type="User")

    response = operator.get(f"{COUNTS}?{query()}")

    assert response.json()["cdr_counts"] == [{"orgId": "initech", "count": 2}]


def test_it_holds_nothing_of_organisations_of_others(acme, initech, operator):
    foreign = Partner.objects.create(name="Another")
    other = Tenant.objects.create(external_id="other", name="Other", partner=foreign)
    for tenant in (acme, other):
        ended(tenant, [START])

    response = operator.get(f"{COUNTS}?{query()}")

    assert response.json() == {"cdr_counts": []}


def test_an_empty_result_has_one_page(partner, operator):
    response = operator.get(f"{COUNTS}?{query()}")

    assert (response.status_code, response.json()) == (200, {"cdr_counts": []})
    assert total_of(response) == (1, 0, 1)


def test_283_organisations_take_the_2_pages_of_the_document(partner, operator):
    tenants = Tenant.objects.bulk_create(
        Tenant(external_id=f"org-{number:03}", name="x", partner=partner)
        for number in range(283)
    )
    for tenant in tenants:
        ended(tenant, [START])

    first = operator.get(f"{COUNTS}?{query()}")
    second = operator.get(f"{COUNTS}?{query(page=2)}")

    assert (total_of(first), total_of(second)) == ((2, 283, 1), (2, 283, 2))
    pages = [page.json()["cdr_counts"] for page in (first, second)]
    assert list(map(len, pages)) == [200, 83]
    listed = [count["orgId"] for page in pages for count in page]
    assert listed == [f"org-{number:03}" for number in range(283)]


def test_beyond_the_last_page_there_is_nothing(initech, operator):
    ended(initech, [START])

    response = operator.get(f"{COUNTS}?{query(page=2)}")

    assert (response.status_code, response.json()) == (200, {"cdr_counts": []})
    assert total_of(response) == (1, 1, 2)


# Parameters -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (OLDEST, OLDEST + HOUR),
        (NEWEST - HOUR, NEWEST),
        (OLDEST, OLDEST + MS),
        (OLDEST - ON_THE_WAY, OLDEST + MS),
        (NEWEST - MS, NEWEST),
    ],
)
def test_the_ends_of_what_may_be_asked_for_are_allowed(partner, operator, start, end):
    response = operator.get(f"{COUNTS}?{query(startTime=start, endTime=end)}")

    assert response.status_code == 200


@pytest.mark.parametrize(
    ("start", "end", "parameter"),
    [
        (OLDEST - ON_THE_WAY - MS, OLDEST + MS, "startTime"),
        (NEWEST - MS, NEWEST + MS, "endTime"),
        (NEWEST + MS, NEWEST + 2 * MS, "startTime"),
        (OLDEST - 2 * HOUR, OLDEST - HOUR, "endTime"),
        (START, START + HOUR + MS, "endTime"),
        (START, START, "startTime"),
        (START, START - MS, "startTime"),
    ],
)
def test_a_millisecond_beyond_is_refused(partner, operator, start, end, parameter):
    response = operator.get(f"{COUNTS}?{query(startTime=start, endTime=end)}")

    assert parameter in refused(response, 400)


def test_now_is_cut_off_to_milliseconds_as_a_clients_is(partner, operator, now):
    with time_machine.travel(now + dt.timedelta(microseconds=999), tick=False):
        response = operator.get(
            f"{COUNTS}?{query(startTime=OLDEST, endTime=OLDEST + HOUR)}"
        )

    assert response.status_code == 200


@pytest.mark.parametrize("name", ["startTime", "endTime"])
@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "yesterday",
        "2026-11-20T08:10:00Z",
        "2026-11-20T08:10:00.00Z",
        "2026-11-20T08:10:00.0000Z",
        "2026-11-20T08:10:00.000",
        "2026-11-20T08:10:00.000z",
        "2026-11-20t08:10:00.000Z",
        "2026-11-20 08:10:00.000Z",
        "2026-11-20T08:10:00.000+00:00",
        "2026-11-20T08:10:00,000Z",
        "2026-11-20T08:10:00.000Z\n",
        " 2026-11-20T08:10:00.000Z",
        "2026-13-20T08:10:00.000Z",
        "2026-02-30T08:10:00.000Z",
        "2026-11-20T25:10:00.000Z",
        "2026-11-20T08:60:00.000Z",
        "2026-11-20T08:10:60.000Z",
        "0000-11-20T08:10:00.000Z",
        "\uff12026-11-20T08:10:00.000Z",
        "1795161600000",
        "\x00",
    ],
)
def test_a_time_that_is_missing_or_spelled_otherwise_is_named(
    partner, operator, name, value
):
    response = operator.get(f"{COUNTS}?{query(**{name: value})}")

    assert name in refused(response, 400)


def test_everything_that_is_wrong_is_told_at_once(partner, operator):
    response = operator.get(f"{COUNTS}?page=0")

    refused(response, 400)
    assert [error["description"] for error in response.json()["errors"]] == [
        "startTime is required.",
        "endTime is required.",
        "page must be a whole number from 1.",
    ]


@pytest.mark.parametrize(
    "page", ["0", "-1", "", "x", "1.0", "+1", "\u0663", "1 ", "9" * 40]
)
def test_a_page_that_is_no_number_from_1_is_named(partner, operator, page):
    response = operator.get(f"{COUNTS}?{query(page=page)}")

    assert "page" in refused(response, 400)


def test_an_extra_parameter_breaks_nothing(initech, operator):
    ended(initech, [START])

    response = operator.get(
        f"{COUNTS}?{query(max=1, orgId='elsewhere', starttime='x')}"
    )

    assert response.json()["cdr_counts"] == [{"orgId": "initech", "count": 1}]


@pytest.mark.parametrize(
    ("name", "same", "other"),
    [
        ("startTime", text(START), text(START + SECOND)),
        ("endTime", text(END), text(END - SECOND)),
        ("page", "1", "2"),
    ],
)
def test_a_parameter_may_repeat_itself_but_not_contradict(
    partner, operator, name, same, other
):
    path = f"{COUNTS}?{query(page=1)}&{name}="

    assert operator.get(path + same).status_code == 200
    assert name in refused(operator.get(path + other), 400)


def test_too_many_parameters_are_refused(partner, operator):
    response = operator.get(f"{COUNTS}?{query()}{'&x=1' * 2000}")

    assert "too many parameters" in refused(response, 400)


# Who may ask ------------------------------------------------------------------------


@pytest.mark.parametrize("path", [COUNTS, RECORDS])
@pytest.mark.parametrize(
    "header", [None, "Bearer nonsense", "Bearer", "Basic eDp5", "x"]
)
def test_without_a_good_token_it_asks_for_one(partner, path, header):
    client = Client(headers={"authorization": header} if header else {})

    response = client.get(f"{path}?{query(orgId='initech')}")

    refused(response, 401)
    assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", [COUNTS, RECORDS])
@pytest.mark.parametrize("field", ["expires_at", "revoked_at"])
def test_an_expired_or_revoked_token_is_bad(initech, operator, path, field, now):
    ApiToken.objects.update(**{field: now})

    response = operator.get(f"{path}?{query(orgId='initech')}")

    refused(response, 401)


@pytest.mark.parametrize("path", [COUNTS, RECORDS])
def test_a_tenants_token_is_not_enough(initech, client_for, path):
    response = client_for(initech).get(f"{path}?{query(orgId='initech')}")

    assert "partner" in refused(response, 403)


@pytest.mark.parametrize("path", [COUNTS, RECORDS])
def test_a_partners_token_needs_the_scope_read(partner, initech, client_for, path):
    client = client_for(partner, "ingest", "manage")

    response = client.get(f"{path}?{query(orgId='initech')}")

    assert "read" in refused(response, 403)


# Errors and answers -----------------------------------------------------------------


@pytest.mark.parametrize("path", [COUNTS, RECORDS])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_methods_are_refused(operator, path, method):
    client = Client(enforce_csrf_checks=True, headers=operator.defaults)

    response = client.generic(method, path, b"{}")

    assert "GET" in refused(response, 405)
    assert response["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", [COUNTS, RECORDS])
def test_head_tells_the_headers_alone(initech, operator, path):
    ended(initech, [START])

    response = operator.head(f"{path}?{query(orgId='initech')}")

    assert (response.status_code, response.content) == (200, b"")
    assert response["num-pages"] == "1"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "path", ["/v1", "/v1/", "/v1/partners", "/v1/partners/cdrs", f"{COUNTS}/"]
)
def test_a_path_that_there_is_not_is_webex_shaped_too(db, method, path):
    response = Client(enforce_csrf_checks=True).generic(method, path)

    refused(response, 404)


def test_a_host_that_is_not_ours_is_webex_shaped_too(db):
    response = Client().get(COUNTS, headers={"host": "evil.example"})

    refused(response, 400)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OperationalError("the connection is lost"), 503),
        (RuntimeError("a detail that is nobody's business"), 500),
    ],
)
def test_a_failure_of_ours_tells_no_details(
    partner, operator, monkeypatch, error, status
):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(reconcile, "count_by_org", fail)

    response = operator.get(f"{COUNTS}?{query()}")

    assert str(error) not in refused(response, status)
    assert ("Retry-After" in response) == (status == 503)


def test_a_database_that_is_away_when_the_token_is_looked_up_is_a_503(
    operator, monkeypatch
):
    def fail(_token: str) -> None:
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(ApiToken, "digest_of", fail)

    response = operator.get(f"{COUNTS}?{query()}")

    refused(response, 503)
    assert int(response["Retry-After"]) > 0


def test_every_answer_has_a_tracking_id_that_stands_in_the_log(
    partner, operator, caplog
):
    with caplog.at_level(logging.INFO, logger="dispatcher.api.webex_errors"):
        good = operator.get(f"{COUNTS}?{query()}")
        bad = operator.get(COUNTS)

    lines = [line.msg for line in caplog.records if "tracking_id" in line.msg]
    told = [(line["tracking_id"], line["status"], line["partner"]) for line in lines]
    assert told == [
        (good["trackingid"], 200, str(partner.pk)),
        (bad["trackingid"], 400, str(partner.pk)),
    ]
    assert re.fullmatch(r"CDRHOOK_[0-9a-f-]{36}", good["trackingid"])
    assert good["trackingid"] != bad["trackingid"]


def test_answers_are_kept_by_no_cache(partner, operator):
    assert operator.get(f"{COUNTS}?{query()}")["Cache-Control"] == "no-store"
    assert operator.get(COUNTS)["Cache-Control"] == "no-store"


# The limit --------------------------------------------------------------------------


def test_beyond_the_limit_it_says_when_to_come_back(partner, operator, limit, now):
    limit(2)
    path = f"{COUNTS}?{query()}"
    with time_machine.travel(now + 20 * SECOND, tick=False):
        statuses = [operator.get(path).status_code for _ in range(2)]
        response = operator.get(path)
    with time_machine.travel(now + 60 * SECOND, tick=False):
        later = operator.get(path)

    assert statuses == [200, 200]
    assert "2 times a minute" in refused(response, 429)
    assert response["Retry-After"] == "40"
    assert later.status_code == 200


def test_the_limit_is_a_partners_over_its_tokens_and_both_apis(
    partner, initech, client_for, limit
):
    limit(2)
    clients = [client_for(partner, "read") for _ in range(2)]
    other = client_for(Partner.objects.create(name="Another"), "read")
    clients[0].get(f"{COUNTS}?{query()}")
    clients[1].get(f"{RECORDS}?{query(orgId='initech')}")

    refused(clients[0].get(f"{RECORDS}?{query(orgId='initech')}"), 429)
    assert other.get(f"{COUNTS}?{query()}").status_code == 200


def test_what_is_refused_for_its_parameters_counts_too(partner, operator, limit):
    limit(1)

    refused(operator.get(COUNTS), 400)
    refused(operator.get(COUNTS), 429)


def test_a_limit_of_0_is_none(partner, operator, limit):
    limit(0)

    answers = [operator.get(f"{COUNTS}?{query()}") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 200]


@pytest.mark.usefixtures("no_broker")
def test_without_a_broker_there_is_no_limit(partner, operator, settings):
    settings.CDRHOOK_RECONCILIATION_PER_MINUTE = 1

    answers = [operator.get(f"{COUNTS}?{query()}") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 200]


def test_300_times_a_minute_is_the_default(settings):
    assert settings.CDRHOOK_RECONCILIATION_PER_MINUTE == 300
