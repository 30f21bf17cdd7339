"""Starts replays on a webhook's page: nothing is sent before its number was shown.

A form says what; the answer is a count and a button; that starts it. What failed before
an outage has a button of its own, which shows its count from the beginning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from dispatcher import tasks
from dispatcher.admin.moments import absolute
from dispatcher.admin.paging import COUNTED, count_text
from dispatcher.admin.readonly import page_of
from dispatcher.admin.replays import progress, state_label, what_text
from dispatcher.admin.unfolded import CheckboxesWidget, TextInputWidget
from dispatcher.models import Replay, Webhook
from dispatcher.pipeline import replay as replays

if TYPE_CHECKING:
    from uuid import UUID

    from dispatcher.admin.unfolded import ModelAdmin

SHOWN: Final = 5


class _Number(TextInputWidget):
    input_type = "number"


class _Moment(TextInputWidget):
    input_type = "datetime-local"


def hours_field(label: str, help_text: str, *, required: bool) -> forms.IntegerField:
    """How many hours back."""
    return forms.IntegerField(
        label=label,
        required=required,
        validators=[MinValueValidator(1), MaxValueValidator(replays.MAX_HOURS)],
        help_text=help_text,
        widget=_Number(attrs={"min": 1, "max": replays.MAX_HOURS}),
    )


class _Paced(forms.Form):
    per_second = forms.IntegerField(
        label="At most a second",
        required=False,
        validators=[MinValueValidator(1), MaxValueValidator(replays.MAX_PER_SECOND)],
        help_text="Empty: no limit. New calls wait behind what is sent again unless"
        " this is less than the receiver takes.",
        widget=_Number(attrs={"min": 1, "max": replays.MAX_PER_SECOND}),
    )


class DeliveriesForm(_Paced):
    """Deliveries of a time range, by the states that they ended in."""

    since = forms.DateTimeField(label="Made from (UTC)", widget=_Moment())
    until = forms.DateTimeField(
        label="Made before (UTC)",
        required=False,
        help_text="Empty: until now.",
        widget=_Moment(),
    )
    states = forms.MultipleChoiceField(
        label="That are",
        choices=[(state, state) for state in replays.STATES],
        initial=["failed"],
        widget=CheckboxesWidget,
    )
    field_order = ("since", "until", "states", "per_second")

    def wish(self, webhook: Webhook) -> Replay:
        """What it asks for."""
        given = self.cleaned_data
        return replays.of_range(webhook, now=timezone.now(), **given)


class CallsForm(_Paced):
    """Calls from before the webhook."""

    hours = hours_field(
        "Of the last hours",
        "Those that its filters let through, and that it was not owed yet.",
        required=True,
    )
    field_order = ("hours", "per_second")

    def wish(self, webhook: Webhook) -> Replay:
        """What it asks for."""
        given = self.cleaned_data
        return replays.of_last_hours(webhook, now=timezone.now(), **given)


FORMS: Final[dict[str, type[DeliveriesForm | CallsForm]]] = {
    Replay.DELIVERIES: DeliveriesForm,
    Replay.CALLS: CallsForm,
}


def patterns(model_admin: ModelAdmin) -> list[URLPattern]:
    """The addresses below that of the webhook's page."""
    view = model_admin.admin_site.admin_view
    again, outage = _Again(model_admin), _Outage(model_admin)
    return [
        path("<uuid:webhook_id>/again/", view(again), name="dispatcher_webhook_again"),
        path(
            "<uuid:webhook_id>/again/outage/",
            view(outage),
            name="dispatcher_webhook_outage",
        ),
    ]


class _Page:
    """A view of a webhook that the user may change."""

    def __init__(self, model_admin: ModelAdmin) -> None:
        self.model_admin = model_admin

    def __call__(self, request: HttpRequest, webhook_id: UUID) -> HttpResponse:
        webhook = self.model_admin.get_object(request, str(webhook_id))
        if webhook is None:
            return HttpResponseRedirect(reverse("admin:dispatcher_webhook_changelist"))
        if not self.model_admin.has_change_permission(request, webhook):
            raise PermissionDenied
        return self.answer(request, webhook)

    def answer(self, request: HttpRequest, webhook: Webhook) -> HttpResponse:
        """The page, or where to go on."""
        raise NotImplementedError


class _Outage(_Page):
    """Sends again what failed before the webhook went down."""

    def answer(self, request: HttpRequest, webhook: Webhook) -> HttpResponse:
        wish = replays.of_outage(webhook, now=timezone.now())
        if request.method != "POST" or wish is None:
            return HttpResponseRedirect(page_of(webhook))
        return _start(request, wish)


class _Again(_Page):
    """The forms; then the count and a button."""

    def answer(self, request: HttpRequest, webhook: Webhook) -> HttpResponse:
        chosen = request.POST.get("what", "")
        bound = {
            what: form(request.POST if what == chosen else None, prefix=what)
            for what, form in FORMS.items()
        }
        form = bound.get(chosen)
        counted = None
        if form is not None and form.is_valid():
            wish = form.wish(webhook)
            if request.POST.get("confirmed"):
                return _start(request, wish)
            counted = _counted(chosen, wish)
        return self._page(request, webhook, bound, chosen, counted)

    def _page(
        self,
        request: HttpRequest,
        webhook: Webhook,
        bound: dict[str, Any],
        chosen: str,
        counted: dict[str, Any] | None,
    ) -> HttpResponse:
        context = {
            **self.model_admin.admin_site.each_context(request),
            "opts": self.model_admin.opts,
            "title": "Send again",
            "subtitle": None,
            "webhook": webhook,
            "webhook_page": page_of(webhook),
            "media": self.model_admin.media,
            "forms": bound,
            "chosen": chosen,
            "counted": counted,
        }
        return TemplateResponse(
            request, "admin/dispatcher/webhook/again_page.html", context
        )


def _counted(what: str, wish: Replay) -> dict[str, Any]:
    count = replays.count(wish)
    return {"count": count, "text": f"{count:,}", "what": what}


def _start(request: HttpRequest, wish: Replay) -> HttpResponse:
    started = start(request, wish)
    return HttpResponseRedirect(page_of(started.replay or wish.webhook))


def start(request: HttpRequest, wish: Replay) -> replays.Started:
    """Starts it in the name of the user, and says so on the next page."""
    by = request.user.get_username()
    started = replays.start(wish, now=timezone.now(), by=by)
    tasks.wake_up(started.wake)
    calls = wish.what == Replay.CALLS
    if started.replay is None:
        nothing = "no calls of that time" if calls else "nothing to send again"
        messages.info(request, f"There is {nothing}.")
    elif calls:
        messages.success(
            request, f"{started.count:,} past calls are being looked through."
        )
    else:
        messages.success(request, f"{_deliveries(started.count)} will be sent again.")
    return started


def give(request: HttpRequest, webhook: Webhook, hours: int) -> None:
    """Gives a new webhook the calls of its last hours."""
    start(request, replays.of_last_hours(webhook, hours, now=timezone.now()))


def _deliveries(count: int) -> str:
    return "1 delivery" if count == 1 else f"{count:,} deliveries"


def of_webhook(webhook: Webhook) -> dict[str, Any]:
    """What the webhook's page says: what is under way, and what is offered."""
    at_work = Replay.objects.filter(
        webhook=webhook, state__in=[Replay.RUNNING, Replay.PAUSED]
    )
    shown = list(at_work.order_by("-id")[:SHOWN])
    return {
        "page": reverse("admin:dispatcher_webhook_again", args=[webhook.pk]),
        "replays": [
            {
                "page": page_of(one),
                "state": state_label(one),
                "what": what_text(one),
                "progress": progress(one),
            }
            for one in shown
        ],
        "offer": None
        if any(one.what == Replay.OUTAGE for one in shown)
        else _offer(webhook),
    }


def _offer(webhook: Webhook) -> dict[str, Any] | None:
    """What failed before it went down, if it has recovered and there is any."""
    wish = replays.of_outage(webhook, now=timezone.now())
    count = replays.count(wish, COUNTED) if wish is not None else 0
    if wish is None or not count:
        return None
    return {
        "count": count,
        "count_text": count_text(count, COUNTED),
        "since": absolute(wish.since),
        "until": absolute(wish.until),
        "start": reverse("admin:dispatcher_webhook_outage", args=[webhook.pk]),
    }
