"""Queries that are compiled once and run with other values each time."""

from __future__ import annotations

import datetime as dt
from uuid import uuid4

import pytest
from django.db.models import Value

from dispatcher.models import Tenant, Webhook
from dispatcher.models.fixed import OTHER_TIME, SOME_ID, SOME_TIME, FixedQuery

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def of_tenant(tenant_id, since, until):
    return Webhook.objects.filter(
        tenant_id=tenant_id, deleted_at__gte=since, deleted_at__lt=until, active=True
    ).values_list("pk", "deleted_at", "secret")


def test_it_finds_what_the_queryset_finds_for_any_values(acme, globex, now):
    query = FixedQuery(of_tenant, SOME_ID, SOME_TIME, OTHER_TIME)
    minute = dt.timedelta(minutes=1)
    for owner in (acme, globex):
        for n in range(3):
            Webhook.objects.create(
                tenant=owner,
                url=f"https://x/{n}",
                secret="s",
                deleted_at=now + n * minute,
            )
    asked = [
        (acme.pk, now, now + 2 * minute),
        (globex.pk, now + minute, now + 9 * minute),
        (acme.pk, now + 5 * minute, now + 9 * minute),
        (uuid4(), now, now + minute),
    ]

    for values in asked:
        found = [tuple(row) for row in query.rows(*values)]
        assert sorted(found) == sorted(of_tenant(*values))
    assert len(query.rows(*asked[0])) == 2


def test_what_comes_back_is_converted_as_the_orm_does(acme, now):
    made = Webhook.objects.create(
        tenant=acme, url="https://x", secret="whsec_x", deleted_at=now
    )
    query = FixedQuery(of_tenant, SOME_ID, SOME_TIME, OTHER_TIME)

    (row,) = query.rows(acme.pk, now, now + dt.timedelta(1))

    assert tuple(row) == (made.pk, now, "whsec_x")


def test_constants_of_the_query_stay(acme):
    query = FixedQuery(
        lambda tenant_id: Tenant.objects.filter(
            pk=tenant_id, external_id="acme"
        ).values_list("external_id", Value("same")),
        SOME_ID,
    )

    assert [tuple(row) for row in query.rows(acme.pk)] == [("acme", "same")]


def test_a_value_that_the_query_has_no_parameter_for_is_an_error(acme):
    query = FixedQuery(
        lambda tenant_id, _: Tenant.objects.filter(pk=tenant_id).values_list("pk"),
        SOME_ID,
        SOME_TIME,
    )

    with pytest.raises(ValueError, match=r"no parameter for the values \{1\}"):
        query.rows(acme.pk, SOME_TIME)
