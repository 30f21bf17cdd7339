"""Calls that cdrhook fetches from real PBXs' own places arrive at a real receiver."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from cdrhook.supervisor.ports import free_port
from tests import mariadb, programs
from tests.ami_server import AmiServer, recorded_events
from tests.programs import wait_for
from tests.sip import Exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.receiver import Receiver

pytestmark = pytest.mark.e2e

ARRIVE_SECONDS = 60


def arrived(receiver: Receiver, count: int, path: str = "/") -> list[dict[str, Any]]:
    """The calls that came, each once; waits a little for what must not come."""
    receiver.wait(path, count, ARRIVE_SECONDS)
    time.sleep(1)
    return [json.loads(request.body)["cdr"] for request in receiver.at(path)]


def test_real_calls_through_kamailio_arrive_as_envelopes(tenant, receiver, tmp_path):
    tenant.webhook(receiver.url("/"))
    exchange = Exchange(tmp_path)
    connection = f"sqlite:///{exchange.database}"
    source = tenant.source("sip", pbx="kamailio", connection=connection)
    with exchange.open():
        wait_for("the table to be read", lambda: tenant.source_is_well(source))
        exchange.call("+442039702436", times=3)
        exchange.call_in_vain("+442039702437")
        calls = arrived(receiver, 4)

    answered = [call for call in calls if call["ddiNum"] == "+442039702436"]
    (busy,) = [call for call in calls if call["ddiNum"] == "+442039702437"]
    assert {call["cliNum"] for call in calls} == {"+442031703746"}
    assert [call["dur"] for call in answered] == [2, 2, 2]
    assert busy["dur"] == 0
    stored = {call["id"]: tenant.get(f"/api/v1/cdrs/{call['id']}") for call in calls}
    assert {call["id"].partition("@")[0].partition("-")[0] for call in answered} == {
        *("1", "2", "3")
    }
    told = [stored[call["id"]]["disposition"] for call in (*answered, busy)]
    assert told == ["answered", "answered", "answered", "busy"]


def test_ami_goes_on_after_asterisk_has_hung_up(tenant, receiver):
    events = recorded_events()
    asterisk = AmiServer(events[:11], events[11:])
    tenant.webhook(receiver.url("/"), max_in_flight=20)
    tenant.source("pbx", pbx="asterisk", connection=asterisk.url)

    asterisk.wait_for_logins(2, ARRIVE_SECONDS)
    calls = arrived(receiver, len(events))
    asterisk.close()

    assert len({call["id"] for call in calls}) == len(calls) == len(events)


# Tables of databases ------------------------------------------------------------------

CDR_TABLE = """CREATE TABLE cdr (
    accountcode VARCHAR(80), src VARCHAR(80), dst VARCHAR(80), dcontext VARCHAR(80),
    clid VARCHAR(80), channel VARCHAR(80), dstchannel VARCHAR(80), lastapp VARCHAR(80),
    lastdata VARCHAR(80), start TIMESTAMP NULL, answer TIMESTAMP NULL,
    {end} TIMESTAMP NULL, duration INTEGER, billsec INTEGER, disposition VARCHAR(45),
    amaflags VARCHAR(45), userfield VARCHAR(256), uniqueid VARCHAR(150),
    linkedid VARCHAR(150), peeraccount VARCHAR(80), sequence INTEGER{id})"""
COLUMNS = (
    *("src", "dst", "dcontext", "clid", "channel", "lastapp", "start", "answer"),
    *("end", "duration", "billsec", "disposition", "uniqueid", "linkedid", "sequence"),
)


def rows(first: int, count: int) -> Iterator[tuple[Any, ...]]:
    """Answered calls, each with a uniqueid of its own, one a second."""
    for number in range(first, first + count):
        second = f"2026-11-20 09:{number // 60 % 60:02}:{number % 60:02}"
        yield (
            *("442031703746", "202", "from-internal", '"Zoë" <442031703746>'),
            *(f"PJSIP/101-{number:08x}", "Dial", second, second, second, 0, 0),
            *("ANSWERED", f"1795392553.{number}", f"1795392553.{number}", number),
        )


@pytest.fixture
def maria() -> Iterator[tuple[str, Callable[[int, int], None]]]:
    """MariaDB with Asterisk's table and an id: its URL, and what adds rows to it."""
    with mariadb.mariadb() as port:
        with mariadb.connect(port) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE asterisk CHARACTER SET utf8mb4")
            cursor.execute("CREATE USER reader@'127.0.0.1' IDENTIFIED BY 'p@ss'")
            cursor.execute("GRANT SELECT ON asterisk.* TO reader@'127.0.0.1'")
            cursor.execute("USE asterisk")
            own_id = ", id INT AUTO_INCREMENT PRIMARY KEY"
            cursor.execute(CDR_TABLE.format(end="`end`", id=own_id))

        def add(first: int, count: int) -> None:
            names = ", ".join(f"`{name}`" for name in COLUMNS)
            marks = ", ".join(["%s"] * len(COLUMNS))
            with mariadb.connect(port, "asterisk") as connection:
                connection.cursor().executemany(
                    f"INSERT INTO cdr ({names}) VALUES ({marks})",  # noqa: S608
                    list(rows(first, count)),
                )

        yield f"mysql://reader:p%40ss@127.0.0.1:{port}/asterisk", add


@pytest.fixture
def postgresql() -> Iterator[tuple[str, Callable[[int, int], None]]]:
    """PostgreSQL with Asterisk's table as it comes, without an id."""
    port = free_port()
    # Not in pytest's own folder, which nobody else may enter: PostgreSQL may run as
    # somebody else.
    with (
        TemporaryDirectory(prefix="cdrhook-pbx-") as name,
        programs.postgres(Path(name), port),
    ):
        url = programs.postgres_url(port, "postgres")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(CDR_TABLE.format(end='"end"', id="").encode())

        def add(first: int, count: int) -> None:
            names = ", ".join(f'"{name}"' for name in COLUMNS)
            marks = ", ".join(["%s"] * len(COLUMNS))
            with psycopg.connect(url) as connection:
                connection.cursor().executemany(
                    f"INSERT INTO cdr ({names}) VALUES ({marks})".encode(),  # noqa: S608
                    list(rows(first, count)),
                )

        yield url, add


def test_tables_are_read_on_where_they_were_left_when_collect_is_killed(
    stack, receiver, maria, postgresql
):
    pbxs = {"/maria": maria, "/postgresql": postgresql}
    for path, (url, add) in pbxs.items():
        add(0, 30)
        tenant = stack.tenant()
        tenant.webhook(receiver.url(path), max_in_flight=20)
        source = tenant.source("pbx", pbx="asterisk", connection=url)
        wait_for("the table", lambda: tenant.source_is_well(source))  # noqa: B023

    for path, (_, add) in pbxs.items():
        add(100, 700)
        receiver.wait(path, 100, ARRIVE_SECONDS)
    for collector in stack.collectors():
        collector.kill()
    for _, add in pbxs.values():
        add(900, 50)

    wanted = {f"1795392553.{n}-{n}" for n in (*range(100, 800), *range(900, 950))}
    for path in pbxs:
        seen = Counter(call["id"] for call in arrived(receiver, 750, path))
        assert set(seen) == wanted
        assert {uid: count for uid, count in seen.items() if count > 1} == {}
