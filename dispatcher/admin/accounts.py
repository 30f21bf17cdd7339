"""Users: operators, and the members of partners and tenants. For operators alone.

What a user may see and do is said by superuser status and membership (admin.scope).
Django's groups and permissions would say nothing, and are therefore not offered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError

from dispatcher.admin.audited import password_noted
from dispatcher.admin.unfolded import ModelAdmin, TabularInline
from dispatcher.models import Membership

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

    UnfoldedUserAdmin = DjangoUserAdmin[User]
    MembershipModelForm = forms.ModelForm[Membership]
else:
    from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

    MembershipModelForm = forms.ModelForm

    class UnfoldedUserAdmin(DjangoUserAdmin, ModelAdmin):
        """Django's pages with unfold's widgets."""

        form = UserChangeForm
        add_form = UserCreationForm
        change_password_form = AdminPasswordChangeForm


class MembershipForm(MembershipModelForm):
    """Whose member a user is, and in which role."""

    class Meta:
        """All that there is to it."""

        model = Membership
        fields: ClassVar = ["partner", "tenant", "role"]

    def clean(self) -> dict[str, Any]:
        """One owner's: nothing is mixed up."""
        data = super().clean() or {}
        if bool(data.get("tenant")) == bool(data.get("partner")):
            raise ValidationError("A member belongs to one partner or to one tenant.")
        return data

    def _get_validation_exclusions(self) -> set[str]:
        """The owner's constraint is told by `clean`, in better words."""
        exclusions: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]  # missing in the stubs
        return exclusions | {"tenant", "partner"}


class MembershipInline(TabularInline):
    """The one membership that a user may have."""

    model = Membership
    form = MembershipForm
    autocomplete_fields = ("partner", "tenant")
    extra = 1
    max_num = 1
    hide_title = True
    verbose_name = (
        "Member of a partner or a tenant (a superuser sees everything anyway)"
    )


class UserAdmin(UnfoldedUserAdmin):
    """Who may log in here, and whose things they see."""

    list_display = ("username", "email", "member", "is_active", "is_staff")
    list_filter = ("is_active", "is_staff", "is_superuser", "memberships__role")
    search_fields = (
        "username",
        "email",
        "memberships__tenant__external_id",
        "memberships__partner__name",
    )
    search_help_text = "Name, e-mail address, tenant, partner"
    filter_horizontal = ()
    inlines = (MembershipInline,)
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Personal info", {"fields": (("first_name", "last_name"), "email")}),
        ("May log in", {"fields": (("is_active", "is_staff"), "is_superuser")}),
        ("Important dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"fields": ("username", "email", "password1", "password2", "is_staff")}),
    )

    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        """Notes that it was changed, in the transaction that changes it."""
        with password_noted(User.objects.filter(pk=_as_key(id))):
            return super().user_change_password(request, id, form_url)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A user who is made here is to log in here."""
        return {"is_staff": True, **super().get_changeform_initial_data(request)}

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """With what they are members of."""
        users: QuerySet[User] = super().get_queryset(request)
        return users.prefetch_related("memberships__tenant", "memberships__partner")

    @admin.display(description="Role")
    def member(self, user: User) -> str:
        """Operator, or the role at the owner whose member it is."""
        if user.is_superuser:
            return "operator"
        return ", ".join(map(str, user.memberships.all())) or "none"


def _as_key(text: str) -> int:
    return int(text) if text.isdecimal() else 0


# Django's own admin registers both when it is imported, which was above.
for _model in (User, Group):
    if admin.site.is_registered(_model):
        admin.site.unregister(_model)
admin.site.register(User, UserAdmin)
