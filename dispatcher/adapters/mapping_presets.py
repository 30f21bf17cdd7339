"""Mappings to start from, one a kind of record: what PBXs send, as far as they tell.

Each is data that a source may take over, and change in part or as a whole. What the
fields mean is told by the vendors' pages that TELECOM's facts were gathered from: where
a vendor leaves something to its administrator (3CX: which fields, in which order), the
preset has what most take.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Preset:
    """A mapping to start from; `label` names it for people, `note` says what to know."""

    label: str
    mapping: Mapping[str, Any]
    note: str = ""


# 3CX -------------------------------------------------------------------------------

# All fields, in the order of its documentation.
_3CX_COLUMNS: Final = [
    "historyid", "callid", "duration", "time-start", "time-answered", "time-end",
    "reason-terminated", "from-no", "to-no", "from-dn", "to-dn", "dial-no",
    "reason-changed", "final-number", "final-dn", "bill-code", "bill-rate", "bill-cost",
    "bill-name", "chain", "from-type", "to-type", "final-type", "from-dispname",
    "to-dispname", "final-dispname", "missed-queue-calls",
]  # fmt: skip
_3CX_TIME: Final = {"as": "strftime", "format": "%Y/%m/%d %H:%M:%S"}

_3CX: Final = Preset(
    "3CX cdr.log",
    {
        "body": "csv",
        "csv": {"header": False, "columns": _3CX_COLUMNS},
        "fields": {
            "uid": "callid",
            "call_id": "historyid",
            "started_at": {"from": "time-start", **_3CX_TIME},
            "answered_at": {"from": "time-answered", **_3CX_TIME},
            "ended_at": {"from": "time-end", **_3CX_TIME},
            "duration": {"from": "duration", "as": "hms"},
            "disposition": [
                {"from": "time-answered", "as": "words", "default": "answered"},
                {
                    "from": "reason-terminated",
                    "as": "words",
                    "words": {
                        "TerminatedBySrc": "cancelled",
                        "src_participant_terminated": "cancelled",
                        "Failed_Cancelled": "cancelled",
                        "TerminatedByDst": "no_answer",
                        "dst_participant_terminated": "no_answer",
                        "NoAnswer": "no_answer",
                        "Failed_NoAnswer": "no_answer",
                        "Busy": "busy",
                        "Failed_Busy": "busy",
                    },
                    "default": "failed",
                },
            ],
            "caller.number": {"from": "from-no", "as": "number"},
            "caller.name": "from-dispname",
            "dialed.number": {"from": ["dial-no", "to-no"], "as": "number"},
            "dialed.name": "to-dispname",
            "legs.first_rang.user.number": {"from": "to-no", "as": "number"},
            "legs.first_rang.user.name": "to-dispname",
            "legs.last_rang.user.number": {
                "from": ["final-number", "to-no"],
                "as": "number",
            },
            "legs.last_rang.user.name": ["final-dispname", "to-dispname"],
            "rating.cost": "bill-cost",
            "rating.name": "bill-name",
        },
    },
    "3CX lets you choose the fields and their order: put the columns in yours."
    " Its times have no zone: they are taken for those of the source.",
)

# Cisco CUCM ------------------------------------------------------------------------


def _never_0(field: str) -> dict[str, Any]:
    return {"from": field, "as": "unix_s", "zone": "UTC"}


_CUCM: Final = Preset(
    "Cisco CUCM",
    {
        "body": "csv",
        # Line 1 has the names, line 2 their types.
        "csv": {"header": True, "skip_after_header": 1},
        # 2 is a CMR, which tells of quality.
        "only": {"cdrRecordType": ["1"]},
        "fields": {
            # A transfer gives records with the same call and the same leg that called.
            "uid": {
                "from": [
                    "globalCallID_callManagerId",
                    "globalCallID_callId",
                    "origLegCallIdentifier",
                    "destLegIdentifier",
                ],
                "join": "-",
            },
            "call_id": {
                "from": ["globalCallID_callManagerId", "globalCallID_callId"],
                "join": "-",
            },
            "pbx.id": "globalCallId_ClusterID",
            "started_at": _never_0("dateTimeOrigination"),
            "answered_at": _never_0("dateTimeConnect"),
            "ended_at": _never_0("dateTimeDisconnect"),
            "duration": "duration",
            "talk_duration": "duration",
            "billed_duration": "duration",
            "hangup_cause_code": {
                "from": ["destCause_value", "origCause_value"],
                "unknown": ["0"],
            },
            "disposition": [
                {
                    "from": "dateTimeConnect",
                    "as": "words",
                    "unknown": ["0"],
                    "default": "answered",
                },
                {
                    "from": "destCause_value",
                    "as": "words",
                    "unknown": ["0"],
                    "words": {
                        "16": "no_answer",
                        "17": "busy",
                        "18": "no_answer",
                        "19": "no_answer",
                    },
                    "default": "failed",
                },
                {
                    "from": "origCause_value",
                    "as": "words",
                    "unknown": ["0"],
                    "words": {"16": "cancelled", "17": "busy", "18": "no_answer"},
                    "default": "failed",
                },
            ],
            "caller.number": "callingPartyNumber",
            "dialed.number": ["originalCalledPartyNumber", "finalCalledPartyNumber"],
            "legs.first_rang.user.number": "originalCalledPartyNumber",
            "legs.last_rang.user.number": "finalCalledPartyNumber",
            "legs.last_rang.user.name": "finalCalledPartyUnicodeLoginUserID",
            "legs.last_rang.device.name": "destDeviceName",
        },
    },
    "CUCM writes a record for each part of a call; those of one call share call_id.",
)

# NetSapiens ------------------------------------------------------------------------

_NETSAPIENS: Final = Preset(
    "NetSapiens CDR events",
    {
        "body": "json",
        "only": {"action": ["INSERT"]},
        "fields": {
            "uid": {"from": ["orig_callid", "term_callid", "cdr_index"], "join": "-"},
            "call_id": ["servedCallId", "orig_callid"],
            "pbx.name": "hostname",
            "started_at": ["time_start", "batch_tim_beg"],
            "answered_at": ["time_answer", "batch_tim_ans"],
            "ended_at": "time_release",
            "duration": ["duration", "batch_dura"],
            "talk_duration": "time_talking",
            "hold_duration": ["time_holding", "batch_hold"],
            "hangup_cause": "release_text",
            "caller.number": {"from": ["orig_from_user", "orig_id"], "as": "number"},
            "caller.name": "orig_from_name",
            "dialed.number": {
                "from": ["orig_req_user", "orig_to_user"],
                "as": "number",
            },
            "legs.last_rang.user.number": "term_sub",
            "legs.last_rang.group": "term_group",
        },
    },
    "A list with one call; its times have no zone: they are taken for those of the"
    " source.",
)

# Grandstream -----------------------------------------------------------------------

_GRANDSTREAM: Final = Preset(
    "Grandstream UCM, CSV",
    {
        "body": "csv",
        "csv": {"header": True},
        "fields": {
            "uid": {"from": ["uniqueid", "AcctId"], "join": "-"},
            "call_id": "uniqueid",
            "started_at": "start",
            "answered_at": "answer",
            "ended_at": "end",
            "duration": "duration",
            "talk_duration": "billsec",
            "billed_duration": "billsec",
            "disposition": "disposition",
            "caller.number": {"from": "src", "as": "number"},
            "dialed.number": {"from": "dst", "as": "number"},
            "legs.last_rang.user.number": "dstchannel_ext",
        },
    },
    "What `cdrapi?format=csv` answers, and the file that the UCM writes with these"
    " names in its first line.",
)

PRESETS: Final[Mapping[str, Preset]] = {
    "3cx": _3CX,
    "cucm": _CUCM,
    "grandstream-csv": _GRANDSTREAM,
    "netsapiens": _NETSAPIENS,
}
