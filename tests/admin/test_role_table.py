"""What each role may do on each page stands in docs/access.md, and is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from django.contrib import admin
from django.test import RequestFactory

import cdrhook.urls  # noqa: F401  the pages are loaded with the addresses
from tests.admin.roles import make_world, user_in

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# On one database only: what a role may is the same on both.
pytestmark = pytest.mark.django_db

PAGE: Final = Path(__file__).parents[2] / "docs" / "access.md"
ROLES: Final = (
    "operator",
    "partner administrator",
    "partner viewer",
    "tenant administrator",
    "tenant viewer",
)
MAY: Final = {"view": "sees", "add": "adds", "change": "changes", "delete": "deletes"}


def table() -> dict[str, list[str]]:
    """Page -> what each role may, as the document's table of pages has it."""
    lines = re.findall(r"^\| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    rows = [[cell.strip() for cell in line.split("|")] for line in lines]
    head = next(i for i, row in enumerate(rows) if row == ["page", *ROLES])
    return {row[0]: row[1:] for row in rows[head + 2 :] if len(row) == 1 + len(ROLES)}


def rights(page: Any, user: User) -> str:
    """What a user may on a page: verbs and actions; an en dash for nothing."""
    request = RequestFactory().get("/admin/")
    request.user = user
    verbs = [
        word
        for verb, word in MAY.items()
        if getattr(page, f"has_{verb}_permission")(request)
    ]
    if not verbs:
        return "–"
    actions = [
        str(name).replace("_", " ") for name in sorted(page.get_actions(request))
    ]
    return ", ".join(verbs) + (f"; {', '.join(actions)}" if actions else "")


def test_each_role_may_on_each_page_what_the_document_says():
    world = make_world()
    users = [user_in(role, world) for role in ROLES]

    so = {
        str(page.opts.verbose_name_plural): [rights(page, user) for user in users]
        for page in admin.site._registry.values()
    }

    assert dict(sorted(so.items())) == dict(sorted(table().items()))
