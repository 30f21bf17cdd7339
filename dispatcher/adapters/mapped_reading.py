"""Makes calls of the pieces that a body or a file was taken apart into.

Nothing is lost: a piece is a call, or goes back with the reason why not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dispatcher.adapters import cdr_json
from dispatcher.adapters.base import BadCdr, Read, Undecodable
from dispatcher.adapters.mapped_record import is_wanted, to_cdr
from dispatcher.values import FieldError

if TYPE_CHECKING:
    from dispatcher.adapters.mapped_body import Piece
    from dispatcher.adapters.mapping import Plan
    from dispatcher.values import Cdr

NOT_WANTED: Final = "of another kind than the mapping's `only` takes"


def item_of(piece: Piece, plan: Plan | None, zone: str) -> Read | Undecodable:
    """What a piece is: a call, or what cannot be read of it."""
    if piece.record is None:
        return Undecodable(piece.reason, piece.raw)
    if plan is not None and not is_wanted(piece.record, plan):
        return Undecodable(NOT_WANTED, piece.raw)
    try:
        return Read(cdr_of(piece, plan, zone), piece.raw)
    except BadCdr as bad:
        return Undecodable(str(bad), piece.raw, bad.errors)


def cdr_of(piece: Piece, plan: Plan | None, zone: str) -> Cdr:
    """The call that a piece holds. Raises BadCdr."""
    if piece.record is None:
        raise BadCdr(FieldError("body", piece.reason))
    if plan is None:
        return cdr_json.parse(piece.record.rest(frozenset()))
    return to_cdr(piece.record, plan, zone)


def whole_of(items: list[Read | Undecodable], body: bytes) -> list[Read | Undecodable]:
    """The same items, holding every byte: of one, and where none could be read."""
    if len(items) == 1 and isinstance(items[0], Read):
        return [Read(items[0].cdr, body)]
    bad = [item for item in items if isinstance(item, Undecodable)]
    if len(bad) < len(items) or b"".join(item.body for item in bad) == body:
        return items
    others = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
    return [Undecodable(f"{bad[0].reason}{others}", body, bad[0].errors)]
