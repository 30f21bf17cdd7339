"""The vocabulary: frozen dataclasses that the pure steps hand to each other.

Standard library only. Decides nothing, reads no clock, knows no database.
The parts of a CDR refuse unknown keys when they are read from JSON (adapters.cdr_json).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal
from uuid import UUID

Direction = Literal["internal", "inbound", "outbound", "both", "unknown"]
CallType = Literal["internal", "external", "unknown"]
Disposition = Literal[
    "answered", "no_answer", "busy", "failed", "cancelled", "voicemail"
]
Method = Literal["GET", "POST", "PUT"]
Format = Literal["json", "form"]

FORBID_UNKNOWN_KEYS: Final = {"extra": "forbid"}

# The CDR ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Something with an id and a name: a PBX, a route, a campaign, a directory."""

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID_UNKNOWN_KEYS

    id: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A number and the name shown for it: a device, a user, an agent, a DID."""

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID_UNKNOWN_KEYS

    number: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The calling party (CLI); `number` is E.164 with + where it is known to be."""

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID_UNKNOWN_KEYS

    number: str | None = None
    name: str | None = None
    location: str | None = None
    area: str | None = None
    state: str | None = None
    country: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """Who rang or answered."""

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID_UNKNOWN_KEYS

    device: Line = Line()
    user: Line = Line()
    agent: Line = Line()
    group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Legs:
    """The four legs that dimensions.txt reports about."""

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID_UNKNOWN_KEYS

    first_rang: Leg = Leg()
    last_rang: Leg = Leg()
    answered: Leg = Leg()
    last_answered: Leg = Leg()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A recording of the call; `url` is where the PBX keeps it, if it told."""

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID_UNKNOWN_KEYS

    id: str
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """What the call cost; `cost` is exact and has no currency of its own."""

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID_UNKNOWN_KEYS

    cost: Decimal | None = None
    band: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialer:
    """What a dialer knows of its call (newfies.txt). Ids may be number or text."""

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID_UNKNOWN_KEYS

    client_id: int | str | None = None
    callrequest_id: int | str | None = None
    campaign: DialerItem | None = None
    leg_type: int | str | None = None
    phone_number: str | None = None
    phonebooks: tuple[DialerItem, ...] = ()
    gateway: str | None = None
    amd_status: int | str | None = None
    incremental_duration: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DialerItem:
    """A campaign or a phonebook of a dialer."""

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID_UNKNOWN_KEYS

    id: int | str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A contact of a directory that matched the call (dimensions.txt).

    `phones` holds up to 4 numbers, `fields` up to 10 texts, by position.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID_UNKNOWN_KEYS

    directory: Named = Named()
    contact_id: str | None = None
    title: str | None = None
    full_name: str | None = None
    company: str | None = None
    job_title: str | None = None
    phones: tuple[str | None, ...] = ()
    email: str | None = None
    crm_id: str | None = None
    fields: tuple[str | None, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Cdr:
    """One call session or one leg, identified by (tenant, `uid`).

    Field by field what `POST /api/v1/cdrs` takes. `None` means unknown; a known 0
    or False is a value. Times are aware; durations are whole seconds.

    Without slots: an instance holds what it was given, and has the other defaults of
    its class. Most calls know of half of the fields at most.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID_UNKNOWN_KEYS

    uid: str
    started_at: dt.datetime
    call_id: str | None = None
    pbx: Named = Named()
    time_zone: str | None = None
    answered_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None
    duration: int | None = None
    ring_duration: int | None = None
    talk_duration: int | None = None
    hold_duration: int | None = None
    park_duration: int | None = None
    billed_duration: int | None = None
    direction: Direction | None = None
    call_type: CallType | None = None
    disposition: Disposition | None = None
    hangup_cause: str | None = None
    hangup_cause_code: int | None = None
    abandoned: bool | None = None
    abandoned_in_park: bool | None = None
    short_ring: bool | None = None
    short_call: bool | None = None
    trunk_to_trunk: bool | None = None
    caller: Caller = Caller()
    dialed: Line = Line()
    legs: Legs = Legs()
    route: Named = Named()
    recordings: tuple[Recording, ...] | None = None
    rating: Rating | None = None
    user_type: str | None = None
    sold_by_partner: bool | None = None
    report_id: str | None = None
    dialer: Dialer = Dialer()
    contacts: tuple[Contact, ...] | None = None
    tags: dict[str, Any] | None = None
    extra: dict[str, Any] | None = None

    if not TYPE_CHECKING:
        # A frozen dataclass's own sets field by field, which takes four times as long.
        def __init__(self, **given: object) -> None:
            if not _CDR_FIELDS >= given.keys() >= _CDR_REQUIRED:
                wrong = (_CDR_REQUIRED - given.keys()) | (given.keys() - _CDR_FIELDS)
                message = f"missing, or no field of a Cdr: {', '.join(sorted(wrong))}"
                raise TypeError(message)
            object.__setattr__(self, "__dict__", given)


_CDR_FIELDS: Final = frozenset(field.name for field in fields(Cdr))
_CDR_REQUIRED: Final = frozenset({"uid", "started_at"})


@dataclass(frozen=True, slots=True)
class FieldError:
    """Which field is at fault (dotted path, e.g. `caller.number`) and why."""

    field: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRules:
    """How the records of a source are to be understood, where they leave it open.

    `zone`: IANA zone of times without one. `region`: ISO 3166 alpha-2 of national
    numbers, "" where numbers stay as they come. `mapping`: their fields -> ours
    (adapters.generic). `directions`: the first whose condition holds tells the
    direction of a call. `secret`: what requests are signed with, "" for none.
    `uid_prefix`: what goes before the ids of records and calls.
    """

    zone: str = "UTC"
    region: str = ""
    mapping: Mapping[str, Any] = field(default_factory=dict)
    directions: tuple[DirectionRule, ...] = ()
    secret: str = field(default="", repr=False)
    uid_prefix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectionRule:
    """A condition over a call's fields, as filters have it, and the direction it means."""

    condition: Filter
    direction: Direction


# Filters ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition of a webhook: `FIELD:OP:VALUE` (PAYLOADS: envelope, filters)."""

    field: str
    op: str
    value: str


# Delivery ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The time of a feed that a delivery belongs to: calls that ended in [start, end).

    `sequence` numbers the feed's deliveries from 1; `late`: its calls came after their
    window had been sent.
    """

    start: dt.datetime
    end: dt.datetime
    sequence: int
    late: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Masking:
    """How a webhook's receiver is shown numbers: without the last `digits`, or hashed."""

    mask: Literal["digits", "hash"]
    digits: int = 4
    key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """What rendering needs to know of a webhook and of the tenant whose call it is.

    `tenant_external_id` is empty where the calls are those of several tenants;
    `window` is a feed's. `shown`: the fields of `cdr_fields` that it is shown, None
    for all.
    """

    webhook_id: UUID
    tenant_external_id: str
    method: Method
    format: Format
    custom_data: dict[str, str] = field(default_factory=dict)
    window: Window | None = None
    shown: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What was said in a call, as text, and in short (thehub.txt: call summary)."""

    transcription: str
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedCdr:
    """A CDR as a delivery carries it; `id` is our id of the stored record.

    `tenant_zone` is the tenant's IANA zone; `recording_url` is empty where there is no
    recording; with a `summary`, that is what is sent of the call.
    """

    id: UUID
    cdr: Cdr
    tenant_external_id: str = ""
    tenant_zone: str = "UTC"
    accepted_at: dt.datetime | None = None
    recording_url: str = ""
    summary: Summary | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedRequest:
    """The frozen part of a delivery: the same bytes on every try.

    For GET `body` is the encoded payload that goes into the query string and
    `content_type` is empty. `headers` are the style's own for this delivery.
    """

    method: Method
    content_type: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whom a webhook trusts, and as whom it speaks, where that is its own; else empty.

    Certificates and key are PEM. Two that are equal may share a connection.
    """

    ca_certificates: str = field(default="", repr=False)
    client_certificate: str = field(default="", repr=False)
    client_key: str = field(default="", repr=False)
    basic_username: str = ""
    basic_password: str = field(default="", repr=False)

    @property
    def has_basic(self) -> bool:
        """Whether it logs in by Basic auth."""
        return bool(self.basic_username or self.basic_password)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One attempt about to be made: where to, with which headers, for which delivery.

    `secrets` holds the current signing secret first, then those still valid during a
    rotation; empty: unsigned. `headers` are the webhook's own, as is `identity` where
    there is one. `spark`: signed with X-Spark-Signature as well (webex.txt).
    """

    delivery_id: UUID
    url: str
    request: RenderedRequest
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    also_accept: frozenset[int] = frozenset()
    test: bool = False
    spark: bool = False
    identity: Identity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Phases:
    """Milliseconds spent in each phase of an attempt; None: not reached."""

    resolve_ms: int | None = None
    connect_ms: int | None = None
    tls_ms: int | None = None
    send_ms: int | None = None
    wait_ms: int | None = None
    body_ms: int | None = None


Verdict = Literal["delivered", "retry", "blocked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one attempt ended.

    `duration_ms` runs from the start until the response headers were complete, or
    until the attempt failed; `ended_at` is after the body was read. `error_class` is
    a stable word (empty when delivered), `error` a sentence for an administrator.
    `retry_after` is what the receiver asked for, in seconds, if anything. `detail` is
    what only the operator may know of a failure, for the log.
    """

    verdict: Verdict
    started_at: dt.datetime
    ended_at: dt.datetime
    duration_ms: int
    phases: Phases = Phases()
    status_code: int | None = None
    error_class: str = ""
    error: str = ""
    response_headers: tuple[tuple[str, str], ...] = ()
    response_body: bytes = b""
    address: str = ""
    retry_after: float | None = None
    detail: str = ""
