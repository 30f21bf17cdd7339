"""Which of FreeSWITCH's variables are kept, and what our fields are called there."""

from __future__ import annotations

from typing import Final

# Kept as they are, under extra.freeswitch.
PLAIN: Final = (
    "accountcode",
    "bridge_uuid",
    "digits_dialed",
    "endpoint_disposition",
    "hold_accum_ms",
    "last_app",
    "last_arg",
    "originate_disposition",
    "originating_leg_uuid",
    "other_loopback_leg_uuid",
    "presence_id",
    "progress_media_uepoch",
    "progress_uepoch",
    "read_codec",
    "rtp_audio_in_mos",
    "session_id",
    "sip_call_id",
    "sip_gateway_name",
    "sip_hangup_disposition",
    "sip_hangup_phrase",
    "sip_term_status",
    "sip_user_agent",
    "sofia_profile_name",
    "userfield",
    "write_codec",
)

# What FusionPBX adds, and those of FreeSWITCH that it looks at (its app/xml_cdr). Of
# what it stores, `pin_number` is left out: it lets whoever knows it make calls.
FUSIONPBX: Final = (
    "call_center_queue_uuid",
    "call_direction",
    "caller_destination",
    "cc_agent",
    "cc_agent_bridged",
    "cc_agent_type",
    "cc_agent_uuid",
    "cc_cancel_reason",
    "cc_cause",
    "cc_member_session_uuid",
    "cc_member_uuid",
    "cc_queue",
    "cc_queue_answered_epoch",
    "cc_queue_canceled_epoch",
    "cc_queue_joined_epoch",
    "cc_queue_terminated_epoch",
    "cc_side",
    "conference_member_id",
    "conference_name",
    "conference_uuid",
    "dialed_domain",
    "dialed_user",
    "domain_name",
    "domain_uuid",
    "effective_caller_id_name",
    "effective_caller_id_number",
    "extension_uuid",
    "fax_success",
    "ivr_menu_uuid",
    "last_bridge_hangup_cause",
    "missed_call",
    "provider_uuid",
    "record_name",
    "record_path",
    "record_seconds",
    "remote_media_ip",
    "ring_group_uuid",
    "sip_h_caller_destination",
    "voicemail_answer_stamp",
    "voicemail_message_seconds",
)

# Each the path of a recording, where record_name and record_path are not told.
RECORDED: Final = ("cc_record_filename", "sofia_record_file", "conference_recording")

KEPT: Final = PLAIN + FUSIONPBX

# Our field -> what FreeSWITCH calls it, for errors that an operator can act upon.
SOURCES: Final = {
    "uid": "variables.uuid",
    "call_id": "variables.call_uuid",
    "pbx.id": "core-uuid",
    "pbx.name": "switchname",
    "started_at": "variables.start_uepoch",
    "answered_at": "variables.answer_uepoch",
    "ended_at": "variables.end_uepoch",
    "duration": "variables.duration",
    "talk_duration": "variables.billsec",
    "billed_duration": "variables.billsec",
    "hold_duration": "variables.hold_accum_seconds",
    "direction": "variables.direction",
    "hangup_cause": "variables.hangup_cause",
    "hangup_cause_code": "variables.hangup_cause_q850",
    "caller.number": "caller_profile.caller_id_number",
    "caller.name": "caller_profile.caller_id_name",
    "dialed.number": "caller_profile.destination_number",
    "recordings.0.id": "variables.record_name",
    "recordings.0.url": "variables.record_path",
    "extra": "variables",
}
