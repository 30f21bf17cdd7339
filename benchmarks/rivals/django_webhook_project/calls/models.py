"""A call, with the fields that the benchmarks' calls have."""

from __future__ import annotations

from django.db import models


class Call(models.Model):
    """django-webhook sends it as JSON whenever one is saved."""

    uid = models.CharField(max_length=200, unique=True)
    call_id = models.CharField(max_length=200)
    pbx = models.JSONField()
    started_at = models.DateTimeField()
    answered_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    duration = models.PositiveIntegerField()
    ring_duration = models.PositiveIntegerField()
    talk_duration = models.PositiveIntegerField()
    billed_duration = models.PositiveIntegerField()
    direction = models.CharField(max_length=8)
    disposition = models.CharField(max_length=9)
    caller = models.JSONField()
    dialed = models.JSONField()
    hangup_cause = models.CharField(max_length=64)
    hangup_cause_code = models.PositiveIntegerField()
    legs = models.JSONField()
    tags = models.JSONField()
    rating = models.JSONField()

    def __str__(self) -> str:
        return self.uid
