"""The administrator's pages, at /admin/. They call pipeline steps and hold no rules.

unfold's app puts a plain site of its own in Django's place when it starts; the pages
below register with ours, therefore ours is put there before they are imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

from django.contrib import admin
from django.contrib.admin import sites

from dispatcher.admin.site import CdrhookAdminSite

admin.site = sites.site = CdrhookAdminSite()

PAGES: Final = (
    "accounts",
    "audit",
    "call_summaries",
    "cdrs",
    "deliveries",
    "integrations",
    "logins",
    "notices",
    "quarantine",
    "replays",
    "schedules",
    "sources",
    "tenancy",
    "tokens",
    "webhooks",
)

for _page in PAGES:
    import_module(f"{__name__}.{_page}")
