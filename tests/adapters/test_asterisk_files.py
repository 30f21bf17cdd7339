"""Asterisk's files: Master.csv in its widths, cdr_custom's CSV and JSON lines."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from pathlib import Path

import pytest

from dispatcher.adapters import asterisk_row
from dispatcher.adapters.base import PLAIN, Read, Undecodable
from dispatcher.adapters.formats import FORMATS
from dispatcher.values import Caller, Cdr, Leg, Legs, Line

FOLDER = Path(__file__).parents[1] / "samples/asterisk"
MASTER = "real_run1_Master_21col_localtime.csv"
CUSTOM = "real_run1_cdr_custom_Master.csv"
JSON = "real_run1_cdr_custom_3_INVALID_LINES.jsonl"
EXPECTED = json.loads((FOLDER / "real_run1.expected.json").read_text())
# 16 columns, then uniqueid, userfield, peeraccount, linkedid, sequence.
BASE = (
    '"acct","1001","202","out","""Ann"" <1001>","PJSIP/1001-1","PJSIP/202-2","Dial",'
    '"PJSIP/202,30","2026-06-01 10:00:00","2026-06-01 10:00:05","2026-06-01 10:00:12",'
    '12,7,"ANSWERED","DOCUMENTATION"'
)


def read(name: str, data: bytes, rules=PLAIN):
    records, taken = FORMATS[name].cut(data, is_end=True)
    assert taken == len(data)
    return FORMATS[name].read(records, rules=rules)


def cdrs(name: str, data: bytes, rules=PLAIN) -> list[Cdr]:
    items = read(name, data, rules)
    assert all(isinstance(item, Read) for item in items)
    return [item.cdr for item in items if isinstance(item, Read)]


def one(line: str, rules=PLAIN) -> Cdr:
    [cdr] = cdrs("asterisk-csv", f"{line}\n".encode(), rules)
    return cdr


def in_short(cdr: Cdr) -> list[object]:
    """What `real_run1.expected.json` has of each row."""
    return [
        *(cdr.uid, cdr.started_at.isoformat(), cdr.duration, cdr.talk_duration),
        *(cdr.disposition, cdr.caller.number, cdr.caller.name, cdr.dialed.number),
    ]


@pytest.mark.parametrize(
    ("name", "file"),
    [("asterisk-csv", MASTER), ("asterisk-csv", CUSTOM), ("asterisk-json", JSON)],
)
def test_the_same_run_in_three_forms_gives_the_same_calls(name, file):
    found = cdrs(name, (FOLDER / file).read_bytes())

    assert [in_short(cdr) for cdr in found] == EXPECTED


def test_an_answered_row_keeps_every_value_that_asterisk_told():
    found = cdrs("asterisk-csv", (FOLDER / MASTER).read_bytes())[15]

    leg = Leg(device=Line(number="200"))
    start = dt.datetime(2026, 11, 23, 0, 9, 12, tzinfo=dt.UTC)
    assert found == Cdr(
        uid="1795392552.7-7",
        call_id="1795392552.6",
        started_at=start,
        answered_at=start + dt.timedelta(seconds=1),
        ended_at=start + dt.timedelta(seconds=6),
        duration=5,
        ring_duration=1,
        talk_duration=4,
        billed_duration=4,
        disposition="answered",
        abandoned=False,
        caller=Caller(number="442031703746", name='Bob ""Q"" O\'Neil'),
        dialed=Line(number="101"),
        legs=Legs(first_rang=leg, last_rang=leg, answered=leg, last_answered=leg),
        extra={
            "asterisk": {
                "accountcode": "acct-7",
                "dcontext": "internal",
                "channel": "Local/101@internal-00000003;2",
                "dstchannel": "Local/200@devices-00000004;1",
                "lastapp": "Dial",
                "lastdata": "Local/200@devices,20",
                "amaflags": "DOCUMENTATION",
                "uniqueid": "1795392552.7",
                "userfield": 'note "with, quotes", naïve',
                "peeraccount": "acct-7",
            }
        },
    )


@pytest.mark.parametrize(
    ("more", "uid", "userfield", "call_id"),
    [
        (',"1780308000.4"', "1780308000.4+", None, "1780308000.4"),
        (',"note"', "row+", "note", None),
        (
            ',"pbx1-1780308000.4","note"',
            "pbx1-1780308000.4+",
            "note",
            "pbx1-1780308000.4",
        ),
        (',"peer","1780308000.1",9', "row+", None, "1780308000.1"),
        (
            ',"1780308000.4","peer","1780308000.1",9',
            "1780308000.4-9",
            None,
            "1780308000.1",
        ),
        (
            ',"1780308000.4","n","p","1780308000.1",9',
            "1780308000.4-9",
            "n",
            "1780308000.1",
        ),
    ],
)
def test_each_width_of_master_csv_is_told_apart(more, uid, userfield, call_id):
    cdr = one(BASE + more)

    assert cdr.uid.startswith(uid)
    assert cdr.extra is not None
    assert cdr.extra["asterisk"].get("userfield") == userfield
    assert (cdr.call_id, cdr.duration, cdr.talk_duration) == (call_id, 12, 7)


def test_16_columns_have_the_same_uid_each_time_and_another_for_another_row():
    other = BASE.replace("PJSIP/202-2", "PJSIP/203-3")

    assert one(BASE).uid == one(BASE).uid != one(other).uid


def test_times_are_local_to_the_source():
    berlin = dataclasses.replace(PLAIN, zone="Europe/Berlin")

    assert one(BASE, berlin).started_at == dt.datetime(2026, 6, 1, 8, tzinfo=dt.UTC)


def test_an_unset_date_is_unknown_quoted_or_not():
    unset = BASE.replace("ANSWERED", "NO ANSWER").replace(",7,", ",0,")

    for empty in ("", '""'):
        cdr = one(unset.replace('"2026-06-01 10:00:05"', empty))
        assert (cdr.answered_at, cdr.disposition) == (None, "no_answer")


def test_voicemail_that_answered_is_said_and_listening_to_it_is_not():
    assert one(BASE.replace('"Dial"', '"VoiceMail"')).disposition == "voicemail"
    assert one(BASE.replace('"Dial"', '"VoiceMailMain"')).disposition == "answered"


def test_the_system_name_in_front_of_unique_ids_is_the_pbxs():
    assert one(f'{BASE},"pbx-2-1780308000.4",""').pbx.name == "pbx-2"


@pytest.mark.parametrize(
    ("context", "dst", "rang", "direction"),
    [
        ("from-trunk", "202", "PJSIP/202-2", "inbound"),
        ("from-pstn-e164-us", "202", "PJSIP/202-2", "inbound"),
        ("from-internal", "442039702436", "PJSIP/trunk-2", "outbound"),
        ("from-internal", "202", "PJSIP/202-2", "internal"),
        ("from-internal", "*97", "PJSIP/202-2", None),
        ("from-internal", "202", "PJSIP/203-2", None),
        ("default", "202", "PJSIP/202-2", None),
    ],
)
def test_contexts_of_freepbx_tell_the_direction(context, dst, rang, direction):
    line = BASE.replace('"out"', f'"{context}"').replace('"202"', f'"{dst}"')

    assert one(line.replace("PJSIP/202-2", rang)).direction == direction


def test_rows_that_nobody_dialled_are_marked_and_kept():
    found = cdrs("asterisk-csv", (FOLDER / MASTER).read_bytes())

    phantoms = [c.uid for c in found if c.extra and "phantom" in c.extra["asterisk"]]
    assert phantoms == [
        *("1795392553.11-14", "1795392553.10-10", "1795392552.3-15"),
        *("1795392552.2-2", "1795392554.22-23", "1795392554.19-16"),
        *("1795392554.21-27", "1795392554.20-17", "1795392556.36-28"),
        "1795392556.35-24",
    ]


def test_a_text_over_several_lines_is_one_record():
    data = f'{BASE},"1780308000.4","two\nlines"\n'.encode()

    [item] = read("asterisk-csv", data * 1)

    assert isinstance(item, Read)
    assert item.raw == data
    assert item.cdr.extra is not None
    assert item.cdr.extra["asterisk"]["userfield"] == "two\nlines"


def test_a_quote_that_is_never_closed_costs_its_own_line_only():
    good = f"{BASE}\n".encode()
    bad = good.replace(b'"acct",', b'"acct,', 1)

    items = read("asterisk-csv", good + bad + good)

    assert [type(item) for item in items] == [Read, Undecodable, Read]
    assert isinstance(items[1], Undecodable)
    assert items[1].body == bad


@pytest.mark.parametrize(
    "line",
    [
        "a,b,c",
        BASE.replace("ANSWERED", "DANCED"),
        BASE.replace(",12,7,", ",twelve,7,"),
        BASE.replace("2026-06-01 10:00:00", "2026-13-01 10:00:00"),
        BASE.replace("2026-06-01 10:00:00", "1969-06-01 10:00:00"),
        BASE.replace('"2026-06-01 10:00:00"', ""),
        f"{BASE},1,2,3,4,5,6",
        BASE.replace('"1001"', '"' + "1" * 501 + '"'),
        BASE.replace('"1001"', '"\0"'),
    ],
)
def test_what_is_no_row_is_kept_with_the_reason(line):
    [item] = read("asterisk-csv", f"{line}\n".encode())

    assert isinstance(item, Undecodable)
    assert item.body == f"{line}\n".encode()
    assert item.reason


def test_a_name_cut_in_the_middle_of_a_character_costs_that_character():
    line = BASE.encode().replace(b"Ann", b"Zo\xc3") + b"\n"

    [item] = read("asterisk-csv", line)

    assert isinstance(item, Read)
    assert item.cdr.caller.name == "Zo\N{REPLACEMENT CHARACTER}"
    assert item.raw == line


def test_a_unique_id_that_is_no_text_is_refused():
    [item] = read("asterisk-csv", BASE.encode() + b',"17\xc3.4",""\n')

    assert isinstance(item, Undecodable)


def test_empty_lines_are_no_records():
    assert read("asterisk-csv", f"\n{BASE}\r\n\n".encode())[0]
    assert len(read("asterisk-csv", f"\n{BASE}\r\n\n".encode())) == 1
    assert read("asterisk-json", b"\n \r\n") == []


@pytest.mark.parametrize(
    "line",
    [
        rb'{"lastdata":"C:\","start":"2026-06-01 10:00:00","src":"1"}',
        rb'{"clid":"a\","src":"1","start":"2026-06-01 10:00:00","dst":"\"}',
        rb'{"start":"2026-06-01 10:00:00","userfield":"x\"}',
        rb'{"start":"2026-06-01 10:00:00","src":"\q","src":"2"}',
        b'{"start":"2026-06-01 10:00:00","src":"1"',
        b'{"start":NaN}',
        b'[{"start":"2026-06-01 10:00:00"},{"start":"2026-06-01 10:00:00"}]',
    ],
)
def test_json_that_could_be_read_in_two_ways_is_kept_as_it_came(line):
    [item] = read("asterisk-json", line + b"\n")

    assert isinstance(item, Undecodable)
    assert item.body == line + b"\n"


def test_json_with_a_backslash_is_read_where_there_is_one_way_to():
    line = rb'{"start":"2026-06-01 10:00:00","userfield":"CORP\ann \"x\"","sequence":3}'

    [cdr] = cdrs("asterisk-json", line.replace(rb"\a", rb"\q"))

    assert cdr.extra is not None
    assert cdr.extra["asterisk"]["userfield"] == r'CORP\qnn "x"'


def test_what_is_far_too_long_for_a_number_is_read_and_stays_in_no_memory():
    long = "1" * 2000
    kept = asterisk_row._caller.cache_info().currsize

    items = read("asterisk-csv", f"{BASE.replace('1001', long, 1)}\n".encode())

    assert long in str(items)
    assert asterisk_row._caller.cache_info().currsize == kept
