"""Makes the tables, subscribes webhooks, and saves calls, which publishes their tasks.

    python -m benchmarks.rivals.django_webhook_project.fill CALLS WEBHOOKS URL

Each call goes to every webhook: to URL/0, URL/1 and so on.
"""

from __future__ import annotations

import sys
from importlib import import_module


def main() -> None:
    """Saves in one transaction: django-webhook publishes at once either way."""
    import django
    from django.core.management import call_command
    from django.db import transaction

    # The application must be known before its tasks are.
    import_module("benchmarks.rivals.django_webhook_project.celery")
    django.setup()
    from django_webhook.models import (
        Webhook,
        WebhookTopic,
        populate_topics_from_settings,
    )

    from benchmarks import fill
    from benchmarks.rivals.django_webhook_project.calls.models import Call

    calls, webhooks, url = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    call_command("migrate", run_syncdb=True, verbosity=0)
    populate_topics_from_settings()
    topic = WebhookTopic.objects.get(name="calls.Call/create")
    for index in range(webhooks):
        webhook = Webhook.objects.create(url=f"{url}/{index}")
        webhook.topics.add(topic)
        webhook.secrets.create(token=f"a key for benchmarks only, {index}")
    with transaction.atomic():
        for n in range(calls):
            Call.objects.create(**fill.call(f"call-{n}", fill.number(n)))


if __name__ == "__main__":
    main()
