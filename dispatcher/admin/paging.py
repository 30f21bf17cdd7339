"""Pages of tables that are too big to be counted. Never counts past COUNTED rows."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, cast

from django.core.paginator import Paginator

from dispatcher.admin.unfolded import ChangeList

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

    PaginatorBase = Paginator[Any]
else:
    PaginatorBase = Paginator

COUNTED: Final = 10_000


def counted_up_to(rows: QuerySet[Any], limit: int) -> int:
    """How many rows there are, or `limit` + 1 for more than `limit`."""
    return rows.order_by().values("pk")[: limit + 1].count()


def count_text(count: int, limit: int) -> str:
    """`1,234`, or `10,000+` for more than were counted."""
    return f"{limit:,}+" if count > limit else f"{count:,}"


class CappedPaginator(PaginatorBase):
    """Counts the first COUNTED rows; what lies behind is reached by filters."""

    template_name = "admin/dispatcher/capped_pagination.html"

    @cached_property
    def found(self) -> int:
        """How many rows were found: at most COUNTED + 1."""
        return counted_up_to(cast("QuerySet[Any]", self.object_list), COUNTED)

    @cached_property
    def count(self) -> int:
        """How many rows can be paged through."""
        return min(self.found, COUNTED)

    @property
    def found_text(self) -> str:
        """The number for the foot of the page."""
        return count_text(self.found, COUNTED)


class CappedChangeList(ChangeList):
    """A list that does not know how many rows there are without its filters."""

    def get_results(self, request: HttpRequest) -> None:
        """As Django's; equal counts make unfold's header leave them out."""
        super().get_results(request)
        self.full_result_count = self.result_count
