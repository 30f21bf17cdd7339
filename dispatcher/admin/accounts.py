"""Django's users and groups, in unfold's forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User

from dispatcher.admin.unfolded import ModelAdmin

if TYPE_CHECKING:
    UnfoldedUserAdmin = DjangoUserAdmin
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


# Django's own admin registers both when it is imported, which was above.
for _model, _model_admin in ((User, UserAdmin), (Group, GroupAdmin)):
    if admin.site.is_registered(_model):
        admin.site.unregister(_model)
    admin.site.register(_model, _model_admin)
