"""Logging: one wide line an outcome, as key=value. Bodies and secrets never go in."""

from __future__ import annotations

import logging
from typing import Any

import structlog


class NotUnavailable(logging.Filter):
    """Leaves out Django's line for every 503: who answers 503 has said why."""

    def filter(self, record: logging.LogRecord) -> bool:
        """False for what is left out."""
        return getattr(record, "status_code", None) != 503


_SHARED: list[Any] = [
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def logging_config(level: str) -> dict[str, Any]:
    """Configures structlog and gives Django's LOGGING, both to standard error."""
    structlog.configure(
        processors=[
            *_SHARED,
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": _SHARED,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    structlog.processors.LogfmtRenderer(
                        key_order=["timestamp", "level", "event"], bool_as_flag=False
                    ),
                ],
            },
        },
        "filters": {"not_unavailable": {"()": NotUnavailable}},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "line"},
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django.request": {"filters": ["not_unavailable"]},
            # Celery tells of every task it receives and ends; outcomes are told by us.
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
            # Of each login a few lines; a failure or a lock is a warning.
            "axes": {"level": "WARNING"},
            "django_celery_beat": {"level": "WARNING"},
            # The SDKs of the summaries tell of every request.
            "httpx": {"level": "WARNING"},
            "httpx2": {"level": "WARNING"},
            "openai": {"level": "WARNING"},
        },
    }
