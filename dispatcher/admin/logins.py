"""Failed logins: how many there may be, what the next one is told, and who is unlocked.

django-axes counts them in the database, which every web process shares and which is
there without a broker; a failed login costs a slow hash anyway, so that a row more is
little. It locks a user name at an address. An address by itself is locked too, later,
because many people may be behind one; a user name by itself is not: anybody could then
lock anybody out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from axes.attempts import get_cool_off_threshold
from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Sum
from django.http import HttpResponse
from django.utils import timezone

from dispatcher.admin.labels import label
from dispatcher.admin.moments import both
from dispatcher.admin.scope import ScopedAdmin
from dispatcher.admin.unfolded import ModelAdmin
from dispatcher.pipeline import audit

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

# So many times as often as one user at an address may all of them fail together.
FAILURES_OF_ADDRESS: Final = 10


def failures_that_count(of_user: int, of_address: int) -> int:
    """What AXES_FAILURE_LIMIT is compared with."""
    return max(of_user, of_address // FAILURES_OF_ADDRESS)


class LoginHandler(AxesDatabaseHandler):  # type: ignore[misc]  # untyped base
    """axes' own, with a limit for an address that is higher than for a user there.

    settings.AXES_LOCKOUT_PARAMETERS must name the user at an address, then the address.
    """

    def get_failures(
        self, request: HttpRequest, credentials: dict[str, Any] | None = None
    ) -> int:
        """Failures within the time that counts, those of the address by the tenth."""
        of_user, of_address = map(
            _failures, self.get_user_attempts(request, credentials)
        )
        # Without an address (a Unix socket) everybody is behind the same.
        known = getattr(request, "axes_ip_address", None) is not None
        return failures_that_count(of_user, of_address if known else 0)

    def reset_user_attempts(
        self, request: HttpRequest, credentials: dict[str, Any] | None = None
    ) -> int:
        """After a login, forgets the user's failures only.

        Otherwise who has one account would guess at others, and log in between.
        """
        of_user, _ = self.filter_user_attempts(request, credentials)
        count, _ = of_user.delete()
        return int(count)

    def clean_expired_user_attempts(
        self,
        request: HttpRequest | None = None,
        credentials: dict[str, Any] | None = None,
    ) -> int:
        """Forgets what is over, if anything is: SQLite has one writer."""
        over = AccessAttempt.objects.filter(
            attempt_time__lte=get_cool_off_threshold(request)
        )
        if not over.exists():
            return 0
        return int(super().clean_expired_user_attempts(request, credentials))


def _failures(attempts: QuerySet[Any]) -> int:
    found = attempts.aggregate(failures=Sum("failures_since_start"))
    return int(found["failures"] or 0)


def locked_out(
    request: HttpRequest, response: HttpResponse, _credentials: Any
) -> HttpResponse:
    """429 in the place of a login page's own answer: the page, and what is the matter.

    The same whether there is such a user or not.
    """
    seconds = int(settings.AXES_COOLOFF_TIME.total_seconds())
    message = f"Too many failed logins. Try again in {seconds // 60} minutes."
    context = getattr(response, "context_data", None)
    if context is None:
        response = HttpResponse(message, content_type="text/plain")
    else:
        form = context["form"]
        form.errors.clear()
        form.add_error(None, message)
        response.content = response.rendered_content  # type: ignore[attr-defined]  # of a TemplateResponse
    response.status_code = 429
    response["Retry-After"] = str(seconds)
    return response


@admin.register(AccessAttempt)
class LoginAttemptAdmin(ScopedAdmin, ModelAdmin):
    """Failed logins of the last minutes; says nothing of owners: for operators alone."""

    list_display = (
        "username",
        "ip_address",
        "failures_since_start",
        "state",
        "last",
        "user_agent",
    )
    list_display_links = None
    search_fields = ("username", "ip_address")
    search_help_text = "User name, address"
    # Not the form's data: somebody may have typed a password into another field.
    fields = ("username", "ip_address", "failures_since_start", "user_agent")
    sortable_by = ()
    list_per_page = 50
    list_fullwidth = True
    actions: Any = ("unlock",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Rows come from the login page."""
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """They are a record of what happened."""
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """That is called unlocking here."""
        return False

    def has_unlock_permission(self, request: HttpRequest) -> bool:
        """Operators."""
        return self.may(request, "unlock")

    @admin.action(description="Unlock", permissions=["unlock"])
    def unlock(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Forgets failures, so that the user may try again at once."""
        with transaction.atomic():
            for attempt in queryset:
                thing = audit.Thing(kind="login", text=attempt.username or "")
                audit.note("unlocked", thing, now=timezone.now())
            count, _ = queryset.delete()
        messages.success(request, f"Forgotten: {count}.")

    @admin.display(description="State")
    def state(self, attempt: Any) -> SafeString:
        """Locked, or by which limit not."""
        since = timezone.now() - settings.AXES_COOLOFF_TIME
        of_address = AccessAttempt.objects.filter(
            attempt_time__gte=since, ip_address=attempt.ip_address
        )
        of_user = of_address.filter(username=attempt.username)
        counted = failures_that_count(_failures(of_user), _failures(of_address))
        if counted >= settings.AXES_FAILURE_LIMIT:
            return label("locked", "bad")
        return label("open", "plain")

    @admin.display(description="Last failure")
    def last(self, attempt: Any) -> str:
        """When."""
        return both(attempt.attempt_time, timezone.now())
