"""unfold's classes under the types of the Django classes that they extend.

unfold ships no type hints. The pages import its classes from here, so that mypy checks
them as it checks any other ModelAdmin. Adds no behaviour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django import forms
    from django.contrib import admin
    from django.contrib.admin.views.main import ChangeList as DjangoChangeList

    AdminSite = admin.AdminSite
    ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
    ChangeList = DjangoChangeList
    DropdownFilter = admin.SimpleListFilter
    PasswordWidget = forms.PasswordInput
    RangeDateFilter = admin.FieldListFilter
    CheckboxesWidget = forms.CheckboxSelectMultiple
    SelectWidget = forms.Select
    SwitchWidget = forms.CheckboxInput
    TextareaWidget = forms.Textarea
    TextInputWidget = forms.TextInput
else:
    from unfold.admin import ModelAdmin, TabularInline
    from unfold.contrib.filters.admin import DropdownFilter, RangeDateFilter
    from unfold.sites import UnfoldAdminSite as AdminSite
    from unfold.views import ChangeList
    from unfold.widgets import (
        UnfoldAdminCheckboxSelectMultipleWidget as CheckboxesWidget,
    )
    from unfold.widgets import UnfoldAdminPasswordWidget as PasswordWidget
    from unfold.widgets import UnfoldAdminSelectWidget as SelectWidget
    from unfold.widgets import UnfoldAdminTextareaWidget as TextareaWidget
    from unfold.widgets import UnfoldAdminTextInputWidget as TextInputWidget
    from unfold.widgets import UnfoldBooleanSwitchWidget as SwitchWidget

__all__ = [
    "AdminSite",
    "ChangeList",
    "CheckboxesWidget",
    "DropdownFilter",
    "ModelAdmin",
    "PasswordWidget",
    "RangeDateFilter",
    "SelectWidget",
    "SwitchWidget",
    "TabularInline",
    "TextInputWidget",
    "TextareaWidget",
]
