"""django-celery-beat's pages, in unfold's widgets."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db import transaction
from django.utils import timezone
from django_celery_beat import (
    models,
)
from django_celery_beat.admin import (
    PeriodicTaskAdmin as BeatTaskAdmin,
)
from django_celery_beat.admin import PeriodicTaskForm, TaskSelectWidget

from dispatcher.admin.unfolded import ModelAdmin, SelectWidget, TextInputWidget
from dispatcher.pipeline import audit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet
    from django.http import HttpRequest


class TaskSelect(SelectWidget, TaskSelectWidget):  # type: ignore[misc]  # untyped base
    """The registered tasks, in unfold's looks."""


class TaskForm(PeriodicTaskForm):  # type: ignore[misc]  # untyped base
    """django-celery-beat's form with unfold's widgets for its own two fields."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["regtask"].widget = TaskSelect()
        self.fields["task"].widget = TextInputWidget()


class TaskAdmin(BeatTaskAdmin, ModelAdmin):  # type: ignore[misc]  # untyped base
    """What runs when. django-celery-beat's own template scripts the page inline."""

    form = TaskForm
    date_hierarchy = None
    change_form_template = None
    change_list_template = None
    list_display = ("name", "enabled", "interval", "crontab", "last_run_at")

    @admin.action(description="Enable selected tasks")
    def enable_tasks(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Noted one by one."""
        with _noted(queryset):
            super().enable_tasks(request, queryset)

    @admin.action(description="Disable selected tasks")
    def disable_tasks(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Noted one by one."""
        with _noted(queryset):
            super().disable_tasks(request, queryset)

    @admin.action(description="Toggle activity of selected tasks")
    def toggle_tasks(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Noted one by one."""
        with _noted(queryset):
            super().toggle_tasks(request, queryset)


class ScheduleAdmin(ModelAdmin):
    """An interval, a crontab line, a moment or an event of the sun."""


@contextmanager
def _noted(tasks: QuerySet[Any]) -> Iterator[None]:
    with transaction.atomic():
        before = {task.pk: audit.values_of(task) for task in tasks}
        yield
        for task in models.PeriodicTask.objects.filter(pk__in=before):
            audit.note(
                "changed",
                task,
                now=timezone.now(),
                before=before[task.pk],
                after=audit.values_of(task),
            )


def _register() -> None:
    schedules = (
        models.ClockedSchedule,
        models.CrontabSchedule,
        models.IntervalSchedule,
        models.SolarSchedule,
    )
    pages = {models.PeriodicTask: TaskAdmin, **dict.fromkeys(schedules, ScheduleAdmin)}
    for model, page in pages.items():
        # django-celery-beat registers its own when it is imported, which was above.
        if admin.site.is_registered(model):
            admin.site.unregister(model)
        admin.site.register(model, page)


_register()
