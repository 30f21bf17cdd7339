"""Django's users and groups, in unfold's forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User

from dispatcher.admin.unfolded import ModelAdmin

if TYPE_CHECKING:
    UnfoldedUserAdmin = DjangoUserAdmin[User]
    UnfoldedGroupAdmin = DjangoGroupAdmin
else:
    from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

    class UnfoldedUserAdmin(DjangoUserAdmin, ModelAdmin):
        """Django's pages with unfold's widgets."""

        form = UserChangeForm
        add_form = UserCreationForm
        change_password_form = AdminPasswordChangeForm

    class UnfoldedGroupAdmin(DjangoGroupAdmin, ModelAdmin):
        """Django's pages with unfold's widgets."""


class UserAdmin(UnfoldedUserAdmin):
    """Who may log in here."""


class GroupAdmin(UnfoldedGroupAdmin):
    """Permissions that users share."""


def _register(model: Any, page: Any) -> None:
    """Django's own admin registers both when it is imported, which was above."""
    if admin.site.is_registered(model):
        admin.site.unregister(model)
    admin.site.register(model, page)


_register(User, UserAdmin)
_register(Group, GroupAdmin)
