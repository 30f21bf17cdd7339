"""django-celery-beat's pages, in unfold's widgets."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django_celery_beat import (
    models,
)
from django_celery_beat.admin import (
    PeriodicTaskAdmin as BeatTaskAdmin,
)
from django_celery_beat.admin import PeriodicTaskForm, TaskSelectWidget

from dispatcher.admin.unfolded import ModelAdmin, SelectWidget, TextInputWidget


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


class ScheduleAdmin(ModelAdmin):
    """An interval, a crontab line, a moment or an event of the sun."""


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
