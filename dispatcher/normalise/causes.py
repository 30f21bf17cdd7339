"""Why calls ended, in one vocabulary: FreeSWITCH's names and the codes of ITU-T Q.850.

SIP's statuses become Q.850 by RFC 3398 (8.2.6.1), those it leaves open by RFC 4497.
Changes nothing that it does not know.
"""

from __future__ import annotations

import re
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple

Q850_LIMIT: Final = 128
SIP: Final = range(200, 700)

# Code -> name. The names are those of FreeSWITCH's switch_call_cause_t.
NAMES: Final = MappingProxyType(
    {
        **{1: "UNALLOCATED_NUMBER", 2: "NO_ROUTE_TRANSIT_NET"},
        **{3: "NO_ROUTE_DESTINATION", 6: "CHANNEL_UNACCEPTABLE"},
        **{7: "CALL_AWARDED_DELIVERED", 16: "NORMAL_CLEARING", 17: "USER_BUSY"},
        **{18: "NO_USER_RESPONSE", 19: "NO_ANSWER", 20: "SUBSCRIBER_ABSENT"},
        **{21: "CALL_REJECTED", 22: "NUMBER_CHANGED"},
        **{23: "REDIRECTION_TO_NEW_DESTINATION", 25: "EXCHANGE_ROUTING_ERROR"},
        **{27: "DESTINATION_OUT_OF_ORDER", 28: "INVALID_NUMBER_FORMAT"},
        **{29: "FACILITY_REJECTED", 30: "RESPONSE_TO_STATUS_ENQUIRY"},
        **{31: "NORMAL_UNSPECIFIED", 34: "NORMAL_CIRCUIT_CONGESTION"},
        **{38: "NETWORK_OUT_OF_ORDER", 41: "NORMAL_TEMPORARY_FAILURE"},
        **{42: "SWITCH_CONGESTION", 43: "ACCESS_INFO_DISCARDED"},
        **{44: "REQUESTED_CHAN_UNAVAIL", 45: "PRE_EMPTED"},
        **{50: "FACILITY_NOT_SUBSCRIBED", 52: "OUTGOING_CALL_BARRED"},
        **{54: "INCOMING_CALL_BARRED", 57: "BEARERCAPABILITY_NOTAUTH"},
        **{58: "BEARERCAPABILITY_NOTAVAIL", 63: "SERVICE_UNAVAILABLE"},
        **{65: "BEARERCAPABILITY_NOTIMPL", 66: "CHAN_NOT_IMPLEMENTED"},
        **{69: "FACILITY_NOT_IMPLEMENTED", 79: "SERVICE_NOT_IMPLEMENTED"},
        **{81: "INVALID_CALL_REFERENCE", 88: "INCOMPATIBLE_DESTINATION"},
        **{95: "INVALID_MSG_UNSPECIFIED", 96: "MANDATORY_IE_MISSING"},
        **{97: "MESSAGE_TYPE_NONEXIST", 98: "WRONG_MESSAGE", 99: "IE_NONEXIST"},
        **{100: "INVALID_IE_CONTENTS", 101: "WRONG_CALL_STATE"},
        **{102: "RECOVERY_ON_TIMER_EXPIRE", 103: "MANDATORY_IE_LENGTH_ERROR"},
        **{111: "PROTOCOL_ERROR", 127: "INTERWORKING"},
    }
)
# FreeSWITCH's own, beyond Q.850. It tells 16 for all of them.
_OWN: Final = (
    *("SUCCESS", "ORIGINATOR_CANCEL", "CRASH", "SYSTEM_SHUTDOWN", "LOSE_RACE"),
    *("MANAGER_REQUEST", "BLIND_TRANSFER", "ATTENDED_TRANSFER"),
    *("ALLOTTED_TIMEOUT", "USER_CHALLENGE", "MEDIA_TIMEOUT", "PICKED_OFF"),
    *("USER_NOT_REGISTERED", "PROGRESS_TIMEOUT", "INVALID_GATEWAY"),
    *("GATEWAY_DOWN", "INVALID_URL", "INVALID_PROFILE", "NO_PICKUP"),
    *("SRTP_READ_ERROR", "BOWOUT", "BUSY_EVERYWHERE", "DECLINE"),
    *("DOES_NOT_EXIST_ANYWHERE", "NOT_ACCEPTABLE", "UNWANTED", "NO_IDENTITY"),
    *("BAD_IDENTITY_INFO", "UNSUPPORTED_CERTIFICATE", "INVALID_IDENTITY"),
    *("STALE_DATE", "REJECT_ALL"),
)
_NORMAL: Final = 16
CODES: Final = MappingProxyType(
    {
        **dict.fromkeys(_OWN, _NORMAL),
        **{name: code for code, name in NAMES.items()},
    }
)
# How others write the same: Asterisk, the texts of Q.850 itself, Webex.
_OTHERS: Final = MappingProxyType(
    {
        "BUSY": "USER_BUSY",
        "CIRCUIT_CHANNEL_CONGESTION": "NORMAL_CIRCUIT_CONGESTION",
        "INTERWORKING_UNSPECIFIED": "INTERWORKING",
        "NORMAL": "NORMAL_CLEARING",
        "NORMAL_CALL_CLEARING": "NORMAL_CLEARING",
        "NO_ANSWER_FROM_THE_USER": "NO_ANSWER",
        "NO_ROUTE_TO_DESTINATION": "NO_ROUTE_DESTINATION",
        "NO_ROUTE_TO_SPECIFIED_TRANSIT_NETWORK": "NO_ROUTE_TRANSIT_NET",
        "NO_USER_RESPONDING": "NO_USER_RESPONSE",
        "RECOVERY_ON_TIMER_EXPIRY": "RECOVERY_ON_TIMER_EXPIRE",
        "RECOVER_ON_TIMER_EXPIRY": "RECOVERY_ON_TIMER_EXPIRE",
        "REQUESTED_CHANNEL_NOT_AVAILABLE": "REQUESTED_CHAN_UNAVAIL",
        "SWITCHING_EQUIPMENT_CONGESTION": "SWITCH_CONGESTION",
        "TEMPORARY_FAILURE": "NORMAL_TEMPORARY_FAILURE",
        "UNALLOCATED_UNASSIGNED_NUMBER": "UNALLOCATED_NUMBER",
        "USER_ALERTING_NO_ANSWER": "NO_ANSWER",
    }
)
# RFC 3398; RFC 4497 for 488 and 606. What is not named counts as its x00 (RFC 3261).
_OF_SIP: Final = MappingProxyType(
    {
        **{400: 41, 401: 21, 402: 21, 403: 21, 404: 1, 405: 63, 406: 79, 407: 21},
        **{408: 102, 410: 22, 413: 127, 414: 127, 415: 79, 416: 127, 420: 127},
        **{421: 127, 423: 127, 480: 18, 481: 41, 482: 25, 483: 25, 484: 28},
        **{485: 1, 486: 17, 488: 31, 500: 41, 501: 79, 502: 38, 503: 41},
        **{504: 102, 505: 127, 513: 127, 600: 17, 603: 21, 604: 1, 606: 31},
    }
)
_CANCELLED: Final = 487
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_BETWEEN_WORDS: Final = re.compile(r"[^A-Z0-9]+")
_STATUS: Final = re.compile(
    r"(?:sip(?:/2\.0)?[:;\s]*)?(?:cause=)?([2-6][0-9]{2})(?:\s.*)?", re.IGNORECASE
)
_Q850: Final = re.compile(r"(?:q\.?850[:;\s]*)?(?:cause=)?([0-9]{1,3})", re.IGNORECASE)


class Cause(NamedTuple):
    """Why a call ended: the name, and the code of Q.850; None is unknown."""

    text: str | None
    code: int | None


@lru_cache(maxsize=4096)
def cause(text: str | None, code: int | None) -> Cause:
    """The cause in our vocabulary, each from the other where only one is known.

    What is in neither table stays as it came. A code from 200 on is SIP's.
    """
    if text is not None:
        name = name_of(text)
        if name is not None:
            return Cause(name, code if _is_q850(code) else CODES[name])
        told = _told_by(text)
        if told is not None:
            return Cause(told.text, code if _is_q850(code) else told.code)
    by_code = None if code is None else _of_code(code)
    if by_code is None:
        return Cause(text, code)
    # A word that nobody knows beside a code of Q.850 may say more than the code.
    return Cause(text, code) if text and _is_q850(code) else by_code


def name_of(text: str) -> str | None:
    """The name in our vocabulary that a text means: `User busy` is USER_BUSY."""
    words = _BETWEEN_WORDS.sub("_", _CAMEL.sub("_", text).upper()).strip("_")
    name = _OTHERS.get(words, words)
    return name if name in CODES else None


def _told_by(text: str) -> Cause | None:
    """What a text with a number means: `sip:486`, `486 Busy Here`, `Q.850;cause=17`."""
    status = _STATUS.fullmatch(text.strip())
    if status:
        return _of_code(int(status[1]))
    q850 = _Q850.fullmatch(text.strip())
    return _of_code(int(q850[1])) if q850 else None


def _of_code(code: int) -> Cause | None:
    if code == _CANCELLED:
        return Cause("ORIGINATOR_CANCEL", _NORMAL)
    if code in SIP:
        code = _of_status(code)
    return Cause(NAMES[code], code) if code in NAMES else None


def _of_status(status: int) -> int:
    hundreds = status // 100
    if hundreds == 2:
        return _NORMAL
    if hundreds == 3:
        return 23
    return _OF_SIP.get(status, _OF_SIP[hundreds * 100])


def _is_q850(code: int | None) -> bool:
    return code is not None and code < Q850_LIMIT
