"""What FusionPBX means by the variables that its dialplan sets (its app/xml_cdr).

It sees calls from the tenant: a call is inbound that comes from outside, whichever way
its leg goes at the switch. Returns nothing where a variable is not FusionPBX's, so that
a plain FreeSWITCH is read as if this module were not there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dispatcher.adapters.freeswitch_document import Document

# `local` is its word for internal (dialplan 035_call_direction).
DIRECTIONS: Final = {
    "inbound": "inbound",
    "outbound": "outbound",
    "local": "internal",
    "internal": "internal",
}
NOTHING_RECORDED: Final = frozenset({None, "0"})


def direction(document: Document) -> str | None:
    """The direction as the tenant sees it; None: FusionPBX does not tell."""
    told = DIRECTIONS.get(document.variable("call_direction") or "")
    of_agent = document.variable("cc_side") == "agent"
    # A queue's call to an agent, which inherits whatever the caller's leg had.
    if of_agent and document.variable("domain_uuid") is not None:
        return "inbound"
    return told


def dialed_number(document: Document) -> str | None:
    """The DID that an outside caller dialled; None: not told, or not from outside.

    The caller profile names where the call went from there: a ring group, an extension.
    """
    if direction(document) != "inbound":
        return None
    return document.variable("caller_destination")


def to_voicemail(document: Document) -> bool:
    """Whether a mailbox took the call (its app/voicemail)."""
    seconds = document.variable("voicemail_message_seconds")
    took = document.variable("voicemail_answer_stamp")
    return took is not None or seconds not in NOTHING_RECORDED
