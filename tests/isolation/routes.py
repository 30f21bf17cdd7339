"""Every route there is, read from the code: none can be added without being seen here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.urls import URLPattern, get_resolver, reverse

from cdrhook import urls  # noqa: F401  puts our site and its pages in place
from dispatcher.api.urls import api

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.db.models import Model

ADMIN = "admin/"


def operations() -> set[str]:
    """`GET /api/v1/webhooks` of every operation of the API that ninja knows."""
    return {
        f"{method} {_path(router.prefix, path)}"
        for router in api._get_bound_routers()
        for path, view in router.path_operations.items()
        for operation in view.operations
        for method in operation.methods
    }


def _path(prefix: str, path: str) -> str:
    return f"/{prefix.strip('/')}/{path.lstrip('/')}".replace("//", "/")


def other_paths() -> set[str]:
    """Every pattern that is neither ninja's operation nor the admin's, as it is written."""
    known = {
        operation.partition(" ")[2].replace("{", "<").replace("}", ">")
        for operation in operations()
    }
    return {
        path
        for path in _patterns()
        if f"/{path}" not in known and not path.startswith(ADMIN)
    }


def admin_paths() -> set[str]:
    """Every pattern under /admin/ that no page of a model has, as it is written."""
    return {
        path.removeprefix(ADMIN)
        for path in _patterns()
        if path.startswith(ADMIN) and not path.startswith(tuple(_bases()))
    }


def pages() -> dict[type[Model], set[str]]:
    """The patterns of each model's page, as they are written, below its list."""
    bases = _bases()
    return {
        model: {
            path.removeprefix(base) for path in _patterns() if path.startswith(base)
        }
        for base, model in bases.items()
    }


def _bases() -> dict[str, type[Model]]:
    return {
        admin_list(model).removeprefix("/"): model for model in admin.site._registry
    }


def admin_list(model: type[Model]) -> str:
    """The address of a model's list."""
    meta = model._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")


def _patterns() -> list[str]:
    return list(_walk(get_resolver().url_patterns, ""))


def _walk(patterns: Iterable[Any], prefix: str) -> Iterator[str]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield path
        else:
            yield from _walk(pattern.url_patterns, path)
