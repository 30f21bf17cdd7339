"""What there is under /admin/: the rows of the matrix of pages.

The addresses that every page of Django's has need no row of their own: they are tried
for every page that is named here.
"""

from __future__ import annotations

# Pages of which owners have rows; `roles.make_world` makes one for each owner.
OWNED = {
    "dispatcher.Tenant",
    "dispatcher.Partner",
    "dispatcher.Webhook",
    "dispatcher.Delivery",
    "dispatcher.StoredCdr",
    "dispatcher.QuarantinedRecord",
    "dispatcher.CallSummary",
    "dispatcher.Integration",
    "dispatcher.ApiToken",
    "dispatcher.AuditEntry",
    "dispatcher.Replay",
    "dispatcher.Source",
}
# Pages that are for operators alone.
OPERATORS = {
    "auth.User",
    "axes.AccessAttempt",
    "dispatcher.Notice",
    "django_celery_beat.ClockedSchedule",
    "django_celery_beat.CrontabSchedule",
    "django_celery_beat.IntervalSchedule",
    "django_celery_beat.PeriodicTask",
    "django_celery_beat.SolarSchedule",
}
USUAL = {
    "",
    "add/",
    "<path:object_id>/",
    "<path:object_id>/change/",
    "<path:object_id>/delete/",
    "<path:object_id>/history/",
}
# Addresses of a page's own; those with an id in them are tried like the usual ones.
OWN = {
    "auth.User": {"<id>/password/"},
    "dispatcher.CallSummary": {"<uuid:summary_id>/start-again/"},
    "dispatcher.Delivery": {"<uuid:delivery_id>/resend/", "<uuid:delivery_id>/cancel/"},
    "dispatcher.QuarantinedRecord": {"<uuid:record_id>/download/"},
    "dispatcher.Replay": {
        "<uuid:replay_id>/cancel/",
        "<uuid:replay_id>/pause/",
        "<uuid:replay_id>/resume/",
    },
    "dispatcher.Source": {
        "<uuid:source_id>/mapping/",
        "<uuid:source_id>/connect/",
        "<uuid:source_id>/light/",
        "<uuid:source_id>/token/",
        "<uuid:source_id>/token/<uuid:token_id>/revoke/",
    },
    "dispatcher.StoredCdr": {
        "<uuid:cdr_id>/raw/",
        "<uuid:cdr_id>/raw/<int:number>/",
        "<uuid:cdr_id>/leg/<uuid:leg_id>/",
    },
    "dispatcher.Tenant": {"<uuid:tenant_id>/erase/"},
    "dispatcher.Webhook": {
        "<uuid:webhook_id>/again/",
        "<uuid:webhook_id>/again/outage/",
        "<uuid:webhook_id>/probe/",
        "<uuid:webhook_id>/test/",
        "<uuid:webhook_id>/secret/rotate/",
    },
}
# Everything else, and an address of it that asks for NAME.
SITE = {
    "": "",
    "login/": "login/?next=/admin/NAME/",
    "logout/": "logout/?next=NAME",
    "password_change/": "password_change/?user=NAME",
    "password_change/done/": "password_change/done/?NAME",
    "balance/": "balance/?tenant=NAME",
    "colours.css": "colours.css?NAME",
    "search/": "search/?s=NAME&extended=1",
    "jsi18n/": "jsi18n/?packages=NAME",
    "autocomplete/": "autocomplete/?term=NAME",
    "^(?P<app_label>auth|dispatcher|axes|django_celery_beat)/$": "dispatcher/?q=NAME",
    "(?P<url>.*)$": "no-such-page/NAME/",
    # The addresses that Django would give to pages which are elsewhere.
    "dispatcher/delivery/": "dispatcher/delivery/?tenant=NAME",
    "dispatcher/delivery/<path:rest>": "dispatcher/delivery/NAME/change/",
    "dispatcher/webhook/": "dispatcher/webhook/?tenant=NAME",
    "dispatcher/webhook/<path:rest>": "dispatcher/webhook/NAME/change/",
}
