"""Reading a PBX's table from a stored place on."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from dispatcher.collecting.trouble import Trouble
from dispatcher.models import QuarantinedRecord, Source, StoredCdr
from dispatcher.pipeline import hold, ingest, poll

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.db, pytest.mark.django_db(transaction=True)]

ME = uuid4()


@pytest.fixture
def table(tmp_path: Path) -> sqlite3.Connection:
    """Kamailio's acc_cdrs, with an id."""
    connection = sqlite3.connect(tmp_path / "acc.db", isolation_level=None)
    connection.execute(
        "CREATE TABLE acc_cdrs (id INTEGER PRIMARY KEY, start_time REAL,"
        " end_time REAL, duration REAL, call_id TEXT, from_tag TEXT, to_tag TEXT)"
    )
    return connection


def add(table: sqlite3.Connection, *ids: int) -> None:
    for number in ids:
        row = (number, 2461367.5, 2461367.6, 2.5, f"c-{number}", "f", "t")
        table.execute("INSERT INTO acc_cdrs VALUES (?, ?, ?, ?, ?, ?, ?)", row)


@pytest.fixture
def poll_of(acme, tmp_path, now) -> Callable[..., poll.TablePoll]:
    """poll_of(query, **settings): reads the table for a source that this process holds."""

    def make(query: str = "", **settings: str) -> poll.TablePoll:
        settings = {
            "pbx": "kamailio",
            "connection": f"sqlite:///{tmp_path}/acc.db{query}",
            **settings,
        }
        source, _ = Source.objects.update_or_create(
            tenant=acme, name="sip", defaults=settings
        )
        hold.hold(source.pk, ME, now)
        return poll.TablePoll(
            source, collector=ME, wake=lambda _: None, clock=lambda: now
        )

    return make


def taken() -> set[str]:
    return {
        uid.split(":")[0] for uid in StoredCdr.objects.values_list("uid", flat=True)
    }


def test_the_first_time_it_reads_from_now_on(table, poll_of):
    add(table, 1, 2)
    reading = poll_of()
    reading.step()
    add(table, 3)
    reading.step()
    assert taken() == {"c-3"}


def test_since_all_reads_every_row(table, poll_of):
    add(table, *range(1, 1201))
    reading = poll_of("?since=all")
    assert [reading.step() for _ in range(3)] == [0.0, 0.0, poll.POLL_SECONDS]
    assert len(taken()) == 1200


@pytest.mark.parametrize(("since", "count"), [("2026-11-22", 2), ("2026-11-24", 0)])
def test_since_a_day_reads_the_calls_from_then_on(table, poll_of, since, count):
    add(table, 1, 2)
    poll_of(f"?since={since}").step()
    assert len(taken()) == count


def test_another_process_goes_on_where_this_one_was(table, poll_of):
    poll_of().step()
    add(table, 5)
    poll_of().step()
    assert taken() == {"c-5"}


def test_a_row_that_was_committed_late_is_found(table, poll_of, monkeypatch):
    add(table, 1)
    reading = poll_of("?since=all")
    add(table, 7)
    reading.step()
    monkeypatch.setattr(reading, "_look_back_at", 0.0)
    add(table, 4)
    reading.step()
    assert taken() == {"c-1", "c-4", "c-7"}


def test_a_row_is_stored_once_however_often_it_is_seen(table, poll_of, monkeypatch):
    add(table, 1)
    reading = poll_of("?since=all")
    stored: list[int] = []

    def counted(tenant: Any, items: Any, *args: Any, **named: Any) -> ingest.Ingested:
        stored.append(len(items))
        return ingest.store(tenant, items, *args, **named)

    monkeypatch.setattr(poll, "store", counted)
    for _ in range(3):
        monkeypatch.setattr(reading, "_look_back_at", 0.0)
        reading.step()
    assert stored == [1]


def test_nothing_is_stored_by_a_process_that_holds_the_source_no_more(
    table, poll_of, acme
):
    reading = poll_of()
    reading.step()
    Source.objects.update(collector=uuid4())
    add(table, 1)
    with pytest.raises(hold.TakenOverError):
        reading.step()
    assert not StoredCdr.objects.exists()


def test_a_row_that_cannot_be_read_is_kept_and_the_others_are_taken(table, poll_of):
    add(table, 1, 2)
    table.execute("UPDATE acc_cdrs SET start_time = 'soon' WHERE id = 1")
    poll_of("?since=all").step()
    assert taken() == {"c-2"}
    assert b"soon" in bytes(QuarantinedRecord.objects.get().body)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"table": "nothing"}, "There is no table nothing."),
        ({"pbx": "asterisk"}, "There is no table cdr."),
        ({"pbx": "freeswitch"}, "Rows of freeswitch cannot be read."),
        ({"connection": "sqlite:////nowhere/acc.db"}, "the file cannot be opened"),
        ({"connection": "mysql://u:p@127.0.0.1:1/x"}, "connection refused"),
        ({"connection": "postgresql://u:p@127.0.0.1:1/x"}, "connection refused"),
        ({"connection": "sqlite:///"}, "The connection must read sqlite:///path"),
        (
            {"connection": "mysql://u:p@h:port/x"},
            "The connection is no URL of a database.",
        ),
        ({"connection": "sqlite:///a?since=soon"}, "since= must be a date"),
    ],
)
def test_what_is_in_the_way_is_said_without_the_password(
    table, poll_of, settings, reason
):
    with pytest.raises(Trouble) as raised:
        poll_of(**settings).step()
    assert reason in raised.value.reason
    assert "u:p" not in raised.value.reason + raised.value.detail
