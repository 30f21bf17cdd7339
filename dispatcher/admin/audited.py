"""Pages whose changes are noted in the audit log, in the transaction that makes them.

Pages that hand what is wished to the pipeline do not call these methods: it notes there.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from dispatcher.pipeline import audit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.contrib.auth.models import User
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest

    from dispatcher.admin.unfolded import ModelAdmin
else:
    ModelAdmin = object


class AuditedAdmin(ModelAdmin):
    """Notes what Django's own ways of saving and deleting do."""

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        """The row, with its settings before and after."""
        with transaction.atomic():
            before = audit.stored_values(obj) if change else {}
            super().save_model(request, obj, form, change)
            _note("changed" if change else "made", obj, before, audit.values_of(obj))

    def save_formset(
        self, request: HttpRequest, form: Any, formset: Any, change: bool
    ) -> None:
        """The rows under it."""
        with transaction.atomic():
            before = {row.pk: audit.values_of(row) for row in formset.get_queryset()}
            super().save_formset(request, form, formset, change)
            for row in formset.new_objects:
                _note("made", row, {}, audit.values_of(row))
            for row, _ in formset.changed_objects:
                _note("changed", row, before[row.pk], audit.values_of(row))
            for row in formset.deleted_objects:
                _note("deleted", row, {}, {})

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """The row, by its name."""
        with transaction.atomic():
            _note("deleted", obj, {}, {})
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Each row, by its name."""
        with transaction.atomic():
            for row in queryset:
                _note("deleted", row, {}, {})
            super().delete_queryset(request, queryset)


@contextmanager
def password_noted(users: QuerySet[User]) -> Iterator[None]:
    """Notes whose password has changed in the block, which is one transaction."""
    with transaction.atomic():
        before = {user.pk: user.password for user in users}
        yield
        for user in users.all():
            if before[user.pk] != user.password:
                _note("password changed", user, {}, {})


def _note(action: str, row: Model, before: audit.Values, after: audit.Values) -> None:
    audit.note(action, row, now=timezone.now(), before=before, after=after)
