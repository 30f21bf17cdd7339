"""What a call adds names rows that there are, whoever writes it and however.

SQLite holds this by foreign keys; PostgreSQL by triggers, of which migration 0007 says
how and why. Both are held to the same here.
"""

from __future__ import annotations

import datetime as dt
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest
from django.apps import apps
from django.db import IntegrityError, NotSupportedError, connection, models, transaction

from dispatcher.models import (
    Delivery,
    OwedCdr,
    Partner,
    RawRecord,
    Source,
    StoredCdr,
    Tenant,
    Webhook,
)
from dispatcher.models.ids import uuid7
from dispatcher.models.insert import MANY, insert
from tests import programs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.db, pytest.mark.django_db]

only_postgres = pytest.mark.skipif(
    "connection.vendor == 'sqlite'", reason="SQLite has foreign keys and one writer"
)
NOW = dt.datetime(2026, 11, 20, 10, 0, tzinfo=dt.UTC)
migration = import_module("dispatcher.migrations.0007_references_by_statement")
# Child and column, parent.
REFERENCES = [
    (StoredCdr, "tenant", Tenant),
    (RawRecord, "cdr", StoredCdr),
    (RawRecord, "source", Source),
    (Delivery, "tenant", Tenant),
    (Delivery, "webhook", Webhook),
    (OwedCdr, "cdr", StoredCdr),
    (OwedCdr, "webhook", Webhook),
    (OwedCdr, "delivery", Delivery),
]
every_reference = pytest.mark.parametrize(
    ("child", "name", "parent"),
    REFERENCES,
    ids=lambda value: getattr(value, "__name__", value),
)


@pytest.fixture
def partner(db: None) -> Partner:
    """Whose webhooks belong to no tenant."""
    return Partner.objects.create(name="Operator")


@pytest.fixture
def made(globex: Tenant, partner: Partner) -> Callable[..., Any]:
    """made(model, name=row, ...) -> a row, saved; what it names is nobody else's."""

    def make(model: type[models.Model], **values: Any) -> Any:
        for name, value in needs[model].items():
            if name not in values and f"{name}_id" not in values:
                values[name] = value() if callable(value) else value
        return model._default_manager.create(**values)

    needs: dict[type[models.Model], dict[str, Any]] = {
        Tenant: {"external_id": lambda: f"t-{uuid4()}", "name": "x"},
        Webhook: {"partner": partner, "url": "https://receiver.example/"},
        Source: {"tenant": globex, "name": lambda: f"s-{uuid4()}", "pbx": "generic"},
        StoredCdr: {"tenant": globex, "uid": lambda: f"c-{uuid4()}", **_CALL},
        RawRecord: {"cdr": lambda: make(StoredCdr), "packed": b"\x00"},
        Delivery: {"webhook": lambda: make(Webhook), **_DELIVERY},
        OwedCdr: {"webhook": lambda: make(Webhook), "cdr": lambda: make(StoredCdr)},
    }
    return make


_CALL = {
    "source": "test",
    "record": "{}",
    "content_hash": "",
    "started_at": NOW,
    "call_end": NOW,
    "accepted_at": NOW,
}
_DELIVERY = {"created_at": NOW, "next_attempt_at": NOW, "call_end": NOW}


def deleted(row: models.Model) -> None:
    """Deletes this row alone, as SQL would."""
    type(row)._default_manager.filter(pk=row.pk)._raw_delete(connection.alias)


@contextmanager
def refused(match: str = ".") -> Iterator[None]:
    """At the end of a transaction of its own, if not before."""
    with pytest.raises(IntegrityError, match=match), _looked_at_in_the_end():
        yield


@contextmanager
def _looked_at_in_the_end() -> Iterator[None]:
    with transaction.atomic():
        yield
        connection.check_constraints()


# What is refused ------------------------------------------------------------------------


@every_reference
def test_a_row_that_names_nothing_is_refused(made, child, name, parent):
    needed = {name: made(parent)}
    row = made(child, **needed)
    deleted(row)
    deleted(needed[name])

    with refused():
        row.save(force_insert=True)

    assert not child.objects.filter(pk=row.pk).exists()


@every_reference
def test_a_row_that_comes_to_name_nothing_is_refused(made, child, name, parent):
    row = made(child, **{name: made(parent)})
    column = f"{name}_id"

    with refused():
        child.objects.filter(pk=row.pk).update(**{column: uuid4()})

    other = made(parent)
    child.objects.filter(**{name: getattr(row, name)}).update(**{column: other.pk})
    assert child.objects.filter(**{name: other}).count() == 1


@every_reference
def test_a_row_that_is_named_cannot_be_deleted(made, child, name, parent):
    named = made(parent)
    made(child, **{name: named})

    with refused():
        deleted(named)

    assert parent.objects.filter(pk=named.pk).exists()


@pytest.mark.parametrize("name", ["webhook", "tenant"])
def test_one_of_a_thousand_rows_that_names_nothing_has_all_refused(made, name):
    good = {"webhook": made(Webhook).pk, "tenant": made(Tenant).pk}
    rows = [(uuid7(), good["webhook"], good["tenant"], NOW) for _ in range(999)]
    bad = {**good, name: uuid4()}
    rows.insert(500, (uuid7(), bad["webhook"], bad["tenant"], NOW))

    with refused():
        insert(
            Delivery,
            ("id", "webhook_id", "tenant_id", "call_end"),
            rows,
            created_at=NOW,
            next_attempt_at=NOW,
        )

    assert not Delivery.objects.exists()


OWED = ("webhook_id", "cdr_id", "revision")


def test_a_webhook_is_looked_up_for_calls_that_somebody_has_just_added(made):
    calls = [made(StoredCdr).pk for _ in range(MANY)]

    with refused():
        owed = [(uuid4(), call, 0) for call in calls]
        insert(OwedCdr, OWED, owed, parents_added=True)


def test_a_source_is_looked_up_for_calls_that_somebody_has_just_added(made):
    raw = [(made(StoredCdr).pk, b"\x00") for _ in range(MANY)]

    with refused():
        columns, source = ("cdr_id", "packed"), uuid4()
        insert(RawRecord, columns, raw, parents_added=True, source_id=source)


def test_what_is_said_to_be_just_added_is_believed_for_no_other_rows(made):
    webhook = made(Webhook).pk
    calls = [made(StoredCdr).pk for _ in range(MANY)]

    with refused():
        added = [(webhook, call, 0) for call in calls]
        insert(OwedCdr, OWED, added, parents_added=True)
        insert(OwedCdr, OWED, [(webhook, uuid4(), 0) for _ in range(MANY)])

    assert not OwedCdr.objects.exists()


@only_postgres
def test_it_is_told_which_column_names_nothing_and_not_what():
    source, cdr = uuid4(), uuid4()

    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        RawRecord.objects.create(cdr_id=cdr, source_id=source, packed=b"secret")

    told, cause = str(caught.value), caught.value.__cause__
    assert isinstance(cause, psycopg.errors.ForeignKeyViolation)
    assert told.startswith("dispatcher_rawrecord.cdr_id names a row that there is not")
    assert not any(text in told for text in (str(cdr), str(source), "secret"))
    assert cause.diag.column_name == "cdr_id"


@only_postgres
@every_reference
def test_a_table_whose_rows_are_named_cannot_be_emptied(made, child, name, parent):
    made(child, **{name: made(parent)})
    table = parent._meta.db_table

    with refused("still names rows of"), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"TRUNCATE {table} CASCADE")


@only_postgres
@pytest.mark.django_db(transaction=True)
def test_a_deletion_that_could_not_see_what_was_added_beside_it_is_refused(made):
    tenant = made(Tenant)

    with pytest.raises(NotSupportedError, match="READ COMMITTED"), _of_one_snapshot():
        deleted(tenant)

    assert Tenant.objects.filter(pk=tenant.pk).exists()


@contextmanager
def _of_one_snapshot() -> Iterator[None]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield


# What is not ----------------------------------------------------------------------------


@every_reference
def test_what_a_row_names_may_be_deleted_before_it_in_one_transaction(
    made, child, name, parent
):
    named = made(parent)
    row = made(child, **{name: named})

    with transaction.atomic():
        deleted(named)
        deleted(row)
    connection.check_constraints()

    assert not parent.objects.filter(pk=named.pk).exists()


def test_a_tenant_goes_with_all_that_it_has(made, acme):
    webhook, cdr = (
        made(Webhook, tenant=acme, partner=None),
        made(StoredCdr, tenant=acme),
    )
    made(RawRecord, cdr=cdr, source=made(Source, tenant=acme))
    delivery = made(Delivery, tenant=acme, webhook=webhook)
    made(OwedCdr, cdr=cdr, webhook=webhook, delivery=delivery)

    acme.delete()
    connection.check_constraints()

    left = {child._default_manager.count() for child, _, _ in REFERENCES}
    assert left == {0}


def test_a_row_that_names_nothing_where_it_may_is_taken(made):
    assert made(RawRecord).source is None
    assert made(Delivery).tenant is None
    assert made(OwedCdr).delivery is None


@only_postgres
def test_parents_are_looked_up_by_index_by_a_connection_that_knew_few_of_them(made):
    one = made(StoredCdr)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE dispatcher_storedcdr")
    made(RawRecord, cdr=one)
    calls = [made(StoredCdr).pk for _ in range(50)]
    before = _whole_readings(StoredCdr)

    insert(RawRecord, ("cdr_id", "packed"), [(key, b"\x00") for key in calls])

    assert _whole_readings(StoredCdr) == before
    assert RawRecord.objects.count() == 51


def _whole_readings(model: type[models.Model]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = %s",
            [model._meta.db_table],
        )
        return int(cursor.fetchone()[0])


# Two at once ----------------------------------------------------------------------------


@pytest.fixture
def elsewhere() -> Any:
    """elsewhere(work) -> its future, once its connection waits for a lock."""
    with ThreadPoolExecutor(1) as threads:

        def start(work: Callable[[], Any]) -> Future[Any]:
            def run() -> Any:
                try:
                    with transaction.atomic():
                        return work()
                finally:
                    connection.close()

            future = threads.submit(run)
            programs.wait_for("a lock that is waited for", _somebody_waits)
            return future

        yield start


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock')"
        )
        return bool(cursor.fetchone()[0])


@only_postgres
@pytest.mark.django_db(transaction=True)
@every_reference
def test_a_row_that_is_added_beside_a_deletion_finds_nothing_to_name(
    made, child, name, parent, elsewhere
):
    named = made(parent)
    row = made(child, **{name: named})
    deleted(row)

    with transaction.atomic():
        deleted(named)
        adding = elsewhere(lambda: row.save(force_insert=True))

    with pytest.raises(IntegrityError, match="names a row that there is not"):
        adding.result(10)
    assert not child.objects.filter(pk=row.pk).exists()


@only_postgres
@pytest.mark.django_db(transaction=True)
@every_reference
def test_a_deletion_beside_a_row_that_is_being_added_sees_it(
    made, child, name, parent, elsewhere
):
    named = made(parent)
    row = made(child, **{name: named})
    deleted(row)

    with transaction.atomic():
        row.save(force_insert=True)
        deleting = elsewhere(lambda: deleted(named))

    with pytest.raises(IntegrityError, match="still names a row of"):
        deleting.result(10)
    assert parent.objects.filter(pk=named.pk).exists()


@only_postgres
@pytest.mark.django_db(transaction=True)
def test_calls_of_a_webhook_that_is_locked_for_its_drain_do_not_wait(made):
    webhook = made(Webhook)

    def add() -> None:
        try:
            made(Delivery, webhook=webhook)
        finally:
            connection.close()

    with transaction.atomic(), ThreadPoolExecutor(1) as threads:
        Webhook.objects.select_for_update(no_key=True).get(pk=webhook.pk)
        threads.submit(add).result(10)

    assert Delivery.objects.count() == 1


# Migrations -----------------------------------------------------------------------------


def _foreign_keys() -> set[tuple[str, str]]:
    with connection.cursor() as cursor:
        return {
            (child.__name__, columns["columns"][0])
            for child in {child for child, _, _ in REFERENCES}
            for columns in connection.introspection.get_constraints(
                cursor, child._meta.db_table
            ).values()
            if columns["foreign_key"]
        }


@only_postgres
def test_taken_back_the_migration_leaves_foreign_keys_and_no_trigger(made):
    row = made(OwedCdr, delivery=made(Delivery))
    assert _foreign_keys() == set()

    with connection.schema_editor() as editor:
        editor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        migration.by_row(apps, editor)

    everything = {(child.__name__, f"{name}_id") for child, name, _ in REFERENCES}
    assert _foreign_keys() == everything
    assert _functions() == []
    with refused():
        deleted(row.delivery)

    with connection.schema_editor() as editor:
        migration.by_statement(apps, editor)
    assert _foreign_keys() == set()


def _functions() -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT proname FROM pg_proc WHERE proname LIKE 'dispatcher%'")
        return list(cursor.fetchall())


@only_postgres
def test_a_later_migration_may_alter_such_a_column(made):
    made(StoredCdr)
    before = StoredCdr._meta.get_field("tenant")
    after = models.ForeignKey(Tenant, models.CASCADE, null=True, db_index=True)
    after.set_attributes_from_name("tenant")
    after.model = StoredCdr

    with connection.schema_editor() as editor:
        editor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        editor.alter_field(StoredCdr, before, after)

    assert _foreign_keys() == set()
    with refused():
        made(StoredCdr, tenant_id=uuid4())
