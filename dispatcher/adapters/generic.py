"""Any PBX that has no adapter of its own: a mapping says what its fields mean.

The mapping is the source's, edited in the admin (docs/mapping.md); without one, records
are cdrhook's own JSON, as `POST /api/v1/cdrs` takes it. JSON documents, JSON lines,
forms and CSV are read. Numbers are kept as told, times without a zone are the source's.
Refuses to guess which field means what.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dispatcher.adapters.base import NO_HEADERS, PLAIN, BadCdr, Undecodable
from dispatcher.adapters.mapped_body import OWN, Unreadable, pieces_of
from dispatcher.adapters.mapped_reading import item_of, whole_of
from dispatcher.adapters.mapping import plan_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dispatcher.adapters.base import Read
    from dispatcher.values import SourceRules

NO_MAPPING: Final = "the source has no mapping, so that only cdrhook's own JSON is read"


class Generic:
    """The adapter behind `/ingest/generic/{tenant}/{source}`."""

    name: Final = "generic"

    def decode(
        self,
        body: bytes,
        *,
        content_type: str = "",
        query: str = "",
        headers: Mapping[str, str] = NO_HEADERS,
        rules: SourceRules = PLAIN,
    ) -> Sequence[Read | Undecodable]:
        """One body is one record or many; more than 1,000 are left to the quarantine."""
        try:
            plan = plan_of(rules.mapping)
            pieces = pieces_of(body, plan or OWN, content_type)
        except BadCdr as bad:
            told = f"the source's mapping is not right: {bad}"
            return [Undecodable(told, body, bad.errors)]
        except Unreadable as error:
            hint = "" if rules.mapping else f"; {NO_MAPPING}"
            return [Undecodable(f"{error}{hint}", body)]
        items = [item_of(piece, plan, rules.zone) for piece in pieces]
        return whole_of(items, body)
