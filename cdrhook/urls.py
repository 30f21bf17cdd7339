"""Which path is answered by what."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from dispatcher.api import problems, webex_errors
from dispatcher.api import urls as api_urls

# Here, not when Django starts: workers and commands have no pages.
admin.autodiscover()

urlpatterns = [
    path("", RedirectView.as_view(url="/admin/"), name="home"),
    # Browsers ask for it where a page names none: pages of errors.
    path("favicon.ico", RedirectView.as_view(url="/static/dispatcher/favicon.svg")),
    path("admin/", admin.site.urls),
    *api_urls.urlpatterns,
]

handler400 = webex_errors.bad_request
handler500 = problems.server_error
