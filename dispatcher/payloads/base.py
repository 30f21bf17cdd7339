"""What a payload style is: what it allows, and how it renders.

Judges a webhook's settings against its style; stores nothing and sends nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from dispatcher.payloads import encoding
from dispatcher.values import (
    CarriedCdr,
    FieldError,
    Format,
    Method,
    RenderedRequest,
    Subscription,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

Owner = Literal["tenant", "partner"]


class Renderer(Protocol):
    """Turns the CDRs of one delivery into the request that carries them."""

    def __call__(
        self, subscription: Subscription, carried: Sequence[CarriedCdr], /
    ) -> RenderedRequest:
        """The same bytes for the same arguments; ValueError for a wrong number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """One line of the table of styles (PAYLOADS: common to all styles).

    `max_cdrs` is the most CDRs that one delivery carries. `own_keys` are the names at
    the top of the payload that custom data would replace if it had the same. `bundles`
    says when a delivery is made: "" as soon as the CDR is accepted, "size_and_age" when
    the webhook's batch is full or old, "clock" at the marks of the feed. `spark`: its
    webhooks sign with X-Spark-Signature as well. `recording_links`: it sends links to
    the calls' recordings.
    """

    name: str
    owners: tuple[Owner, ...]
    methods: tuple[Method, ...]
    formats: tuple[Format, ...]
    filters: bool
    custom_data: bool
    max_cdrs: int
    render: Renderer
    own_keys: frozenset[str] = frozenset()
    bundles: Literal["", "size_and_age", "clock"] = ""
    spark: bool = False
    recording_links: bool = False

    def refusals(
        self,
        *,
        method: str,
        format: str,
        custom_data: Collection[str],
        has_filters: bool,
        owner: str,
    ) -> list[FieldError]:
        """Why a webhook of this style cannot be saved so; empty if it can.

        `custom_data` are the keys alone. Fields are named as in the webhook's JSON:
        `method`, `format`, `style`, `filters`, `custom_data`.
        """
        errors = [
            self._unless_listed("method", method, self.methods),
            self._unless_listed("format", format, self.formats),
            self._owner_refusal(owner),
            self._filters_refusal(has_filters),
            *self._custom_data_refusals(custom_data),
        ]
        return [error for error in errors if error is not None]

    def _unless_listed(
        self, field: str, given: str, allowed: Sequence[str]
    ) -> FieldError | None:
        if given in allowed:
            return None
        return FieldError(
            field, f'style {self.name} takes {_either(allowed)}, not "{given}"'
        )

    def _owner_refusal(self, owner: str) -> FieldError | None:
        if owner in self.owners:
            return None
        return FieldError(
            "style", f"style {self.name} belongs to a {_either(self.owners)}"
        )

    def _filters_refusal(self, has_filters: bool) -> FieldError | None:
        if self.filters or not has_filters:
            return None
        return FieldError("filters", f"style {self.name} takes no filters")

    def _custom_data_refusals(self, keys: Collection[str]) -> list[FieldError]:
        if not keys:
            return []
        if not self.custom_data:
            reason = f"style {self.name} takes no custom data"
            return [FieldError("custom_data", reason)]
        return [
            FieldError("custom_data", reason)
            for reason in map(self._key_refusal, sorted(keys))
            if reason is not None
        ]

    def _key_refusal(self, key: str) -> str | None:
        if not key.strip():
            return "a key is empty"
        # In form data `cost[0]` would be read as part of `cost`.
        if key.partition("[")[0] in self.own_keys:
            return f'"{key}" would replace a field of style {self.name}'
        return None


def encoded(
    subscription: Subscription,
    payload: dict[str, Any],
    form_payload: dict[str, Any] | None = None,
) -> RenderedRequest:
    """`payload` as the webhook's method and format ask for.

    GET is form data in the query whatever the format says, with no content type.
    `form_payload` takes the payload's place where form data must say it differently.
    """
    method = subscription.method
    if method == "GET" or subscription.format == "form":
        body = encoding.form_bytes(payload if form_payload is None else form_payload)
        content_type = "" if method == "GET" else encoding.FORM_TYPE
    else:
        body = encoding.json_bytes(payload)
        content_type = encoding.JSON_TYPE
    return RenderedRequest(method=method, content_type=content_type, body=body)


def only(carried: Sequence[CarriedCdr]) -> CarriedCdr:
    """The one CDR of a delivery whose style carries one; ValueError otherwise."""
    if len(carried) != 1:
        raise ValueError(f"this style carries 1 CDR a delivery, not {len(carried)}")
    return carried[0]


def up_to(
    most: int, carried: Sequence[CarriedCdr], *, at_least: int = 0
) -> Sequence[CarriedCdr]:
    """The CDRs of a delivery whose style carries several; ValueError for a wrong count."""
    if not at_least <= len(carried) <= most:
        raise ValueError(
            f"this style carries {at_least} to {most} CDRs a delivery,"
            f" not {len(carried)}"
        )
    return carried


def _either(words: Sequence[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last
