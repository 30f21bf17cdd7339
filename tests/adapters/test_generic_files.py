"""Files that are read by a mapping, and the mappings that are ready-made."""

from __future__ import annotations

from typing import Any

import pytest

from dispatcher.adapters.base import MappedFormat, Read, Undecodable
from dispatcher.adapters.formats import FORMATS, file_format
from dispatcher.adapters.generic import Generic
from dispatcher.adapters.mapping import judge
from dispatcher.adapters.mapping_presets import PRESETS
from dispatcher.values import Cdr, SourceRules

OWN = b'{"uid": "a", "started_at": "2026-11-23T14:05:09Z"}\n'


def read(name: str, data: bytes, **rules: Any) -> list[Read | Undecodable]:
    """What an import makes of a file."""
    known = SourceRules(**rules)
    form = file_format(name, known)
    assert form is not None
    records, taken = form.cut(data, is_end=True)
    assert (b"".join(records), taken) == (data, len(data))
    head, rest = records[: form.head_records], records[form.head_records :]
    return form.read(rest, head=head, rules=known)


def calls(items: list[Read | Undecodable]) -> list[Cdr]:
    return [item.cdr for item in items if isinstance(item, Read)]


@pytest.mark.parametrize("name", ["generic", "3cx", "cucm"])
def test_they_are_registered_and_follow_the_mapping(name):
    form = FORMATS[name]

    assert form.name == name
    assert isinstance(form, MappedFormat)


# generic ----------------------------------------------------------------------------


def test_without_a_mapping_a_line_is_cdrhooks_own_json():
    items = read("generic", OWN + b"\n" + b"{broken\n" + OWN.replace(b'"a"', b'"b"'))

    assert [type(item) for item in items] == [Read, Undecodable, Read]
    assert items[0] == Read(calls(items)[0], OWN)


def test_csv_by_the_sources_mapping():
    fields = {"uid": "id", "started_at": {"from": ["day", "time"], "join": " "}}
    mapping = {"csv": {"delimiter": "|", "skip_lines": 1}, "fields": fields}
    data = b"exported\nid|day|time\na|2026-07-23|14:05:09\n\nid|day|time\nb||\n"

    items = read("generic", data, mapping=mapping, zone="Europe/Paris")

    assert [type(item) for item in items] == [Read, Undecodable]
    assert calls(items)[0].started_at.isoformat() == "2026-07-23T12:05:09+00:00"


def test_a_document_whose_list_has_a_path_is_read_at_its_end():
    mapping = {"records": "data.calls", "fields": {"uid": "id", "started_at": "t"}}
    form = file_format("generic", SourceRules(mapping=mapping))
    assert form is not None
    data = b'{"data": {"calls": [{"id": "a", "t": "2026-11-23T14:05:09Z"}]}}'

    assert form.cut(data[:30], is_end=False) == ([], 0)
    assert [cdr.uid for cdr in calls(read("generic", data, mapping=mapping))] == ["a"]


def test_a_mapping_that_is_not_right_loses_no_record():
    items = read("generic", OWN + OWN, mapping={"fields": {}})

    assert [item.body for item in items if isinstance(item, Undecodable)] == [OWN, OWN]


def test_records_of_another_kind_are_passed_over():
    fields = {"uid": "id", "started_at": {"from": "t", "as": "unix_s"}}
    mapping = {"only": {"k": ["1"]}, "csv": {}, "fields": fields}

    items = read("generic", b"k,id,t\n1,a,5\n2,b,5\n", mapping=mapping)

    assert [cdr.uid for cdr in calls(items)] == ["a"]
    assert len(items) == 1


# 3CX --------------------------------------------------------------------------------

ANSWERED = (
    b"Call 71,00000C21DE5C2470_71,00:05:36,2026/07/23 13:33:54,2026/07/23 13:34:00,"
    b"2026/07/23 13:39:36,TerminatedBySrc,+442079460001,Ext.960,10021,960,960,"
    b"QFwdToDNA,Ext.504,504,,,,,Chain: +442079460001;Ext.960;Ext.504;\r\n"
)
GIVEN_UP = (
    b"Call 72,00000C21DE5C2470_72,00:00:09,2026/07/23 14:00:00,,2026/07/23 14:00:09,"
    b"TerminatedBySrc,Ext.104,Ext.105,104,105,105,,,,,,,,Chain: Ext.104;Ext.105;\r\n"
)


def test_3cx():
    answered, given_up = calls(read("3cx", ANSWERED + GIVEN_UP, zone="Europe/London"))

    assert answered.uid == "00000C21DE5C2470_71"
    assert answered.started_at.isoformat() == "2026-07-23T12:33:54+00:00"
    assert (answered.duration, answered.disposition) == (336, "answered")
    assert (answered.caller.number, answered.dialed.number) == ("+442079460001", "960")
    assert answered.legs.last_rang.user.number == "504"
    assert answered.extra is not None
    assert answered.extra["generic"]["chain"].startswith("Chain: ")
    assert (given_up.disposition, given_up.answered_at) == ("cancelled", None)


def test_3cx_in_an_order_of_its_administrators():
    columns = ["callid", "time-start", "from-no", "duration"]
    data = b"A_1;2026/07/23 13:33:54;Ext.104;00:00:09\n"
    mapping = {"csv": {"columns": columns, "delimiter": ";"}}

    [cdr] = calls(read("3cx", data, mapping=mapping))

    assert (cdr.uid, cdr.caller.number, cdr.duration) == ("A_1", "104", 9)


# CUCM -------------------------------------------------------------------------------

CUCM = (
    b'"cdrRecordType","globalCallID_callManagerId","globalCallID_callId",'
    b'"origLegCallIdentifier","dateTimeOrigination","callingPartyNumber",'
    b'"origCause_value","destLegIdentifier","originalCalledPartyNumber",'
    b'"finalCalledPartyNumber","destCause_value","dateTimeConnect",'
    b'"dateTimeDisconnect","duration"\n'
    b"INTEGER,INTEGER,INTEGER,INTEGER,INTEGER,VARCHAR(50),INTEGER,INTEGER,VARCHAR(50),"
    b"VARCHAR(50),INTEGER,INTEGER,INTEGER,INTEGER\n"
    b'1,1,100,200,1790000000,"1001",0,201,"1002","1003",16,1790000005,1790000065,60\n'
    b'1,1,100,200,1790000065,"1001",0,203,"1004","1004",17,0,1790000066,0\n'
    b'1,1,101,204,1790000070,"1001",16,205,"1005","1005",0,0,1790000075,0\n'
    b"2,1,101,204,1790000070,,,,,,,,,\n"
)


def test_cucm():
    answered, busy, given_up = calls(read("cucm", CUCM, zone="Asia/Tokyo"))

    assert [one.uid for one in (answered, busy, given_up)] == [
        "1-100-200-201",
        "1-100-200-203",
        "1-101-204-205",
    ]
    assert answered.call_id == busy.call_id == "1-100"
    assert answered.started_at.isoformat() == "2026-09-21T14:13:20+00:00"
    assert (answered.talk_duration, answered.hangup_cause_code) == (60, 16)
    assert answered.legs.last_rang.user.number == "1003"
    assert (busy.disposition, busy.answered_at) == ("busy", None)
    assert (given_up.disposition, given_up.hangup_cause_code) == ("cancelled", 16)


# The other presets ------------------------------------------------------------------


def test_netsapiens():
    body = (
        b'[{"action": "INSERT", "orig_callid": "o@1", "term_callid": "t1",'
        b'"cdr_index": "0", "batch_tim_beg": "2026-07-23 18:55:20",'
        b'"batch_tim_ans": "2026-07-23 18:55:22", "duration": "10", "hostname": "nms",'
        b'"orig_from_user": "15550100", "orig_from_name": "RECEPTION",'
        b'"orig_req_user": "15550101", "release_text": "Orig: Bye", "codec": "G.711"}]'
    )
    rules = SourceRules(mapping={"preset": "netsapiens"}, zone="America/New_York")

    [item] = Generic().decode(body, rules=rules)

    assert isinstance(item, Read)
    assert item.cdr.uid == "o@1-t1-0"
    assert item.cdr.started_at.isoformat() == "2026-07-23T22:55:20+00:00"
    assert (item.cdr.caller.number, item.cdr.dialed.number) == ("15550100", "15550101")
    assert (item.cdr.extra or {})["generic"] == {"codec": "G.711"}


def test_grandstream_csv():
    body = (
        b"AcctId,accountcode,src,dst,clid,start,answer,end,duration,billsec,disposition,"
        b"uniqueid,dstchannel_ext\n"
        b'62,,5300,5301,"""Desk"" <5300>",2026-07-23 11:46:40,,2026-07-23 11:46:49,9,0,'
        b"NO ANSWER,1386092800.0,5301\n"
    )
    rules = SourceRules(mapping={"preset": "grandstream-csv"})

    [item] = Generic().decode(body, rules=rules)

    assert isinstance(item, Read)
    assert (item.cdr.uid, item.cdr.disposition) == ("1386092800.0-62", "no_answer")
    assert (item.cdr.extra or {})["generic"] == {"clid": '"Desk" <5300>'}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_can_be_taken_over_and_changed(name):
    changed = {**PRESETS[name].mapping, "unknown": ["NA"]}

    assert judge(changed) == []
