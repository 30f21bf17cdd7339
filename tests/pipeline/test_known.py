"""Uids whose records are gone, asked for while calls are taken in."""

from __future__ import annotations

import pytest
from django.db import connection

from dispatcher.models import KnownUid
from dispatcher.pipeline.known import FEW, known_among, remember

pytestmark = [pytest.mark.db, pytest.mark.django_db]

MANY = [f"c-{n}" for n in range(FEW + 1)]


@pytest.mark.parametrize("uids", [MANY[:3], MANY, MANY * 30])
def test_those_that_are_gone_are_found_among_few_and_many(acme, now, uids):
    remember(acme.pk, ["c-1", "c-999999"], now)

    assert known_among(acme.pk, uids) == {"c-1"}


@pytest.mark.parametrize("uids", [[], MANY[:3], MANY])
def test_a_tenant_knows_none_of_anothers(acme, globex, now, uids):
    remember(globex.pk, MANY, now)

    assert known_among(acme.pk, uids) == set()


def test_where_a_tenant_knows_none_one_question_is_enough_for_many(
    acme, django_assert_num_queries, monkeypatch
):
    monkeypatch.delattr(KnownUid, "digests_of")

    with django_assert_num_queries(1):
        assert known_among(acme.pk, MANY * 100) == set()


def test_whether_a_tenant_knows_any_is_never_remembered(acme, now):
    assert known_among(acme.pk, MANY) == set()

    remember(acme.pk, ["c-1"], now)

    assert known_among(acme.pk, MANY) == {"c-1"}


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="asks PostgreSQL's planner")
def test_whether_a_tenant_knows_any_is_read_by_the_index(
    acme, django_assert_num_queries, now
):
    remember(acme.pk, [f"c-{n}" for n in range(20_000)], now)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE dispatcher_knownuid")
    KnownUid.objects.all().delete()

    # The statistics say that each row is this tenant's.
    with django_assert_num_queries(1) as asked:
        assert known_among(acme.pk, MANY) == set()
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {asked[0]['sql']}")
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert "known_uid_once" in plan
    assert "Sort" not in plan
