"""Whatever is added to the code without a row in the matrix fails here."""

from __future__ import annotations

from django.contrib import admin

from tests.isolation import admin_rows, api_rows, routes


def test_every_operation_of_the_api_has_a_row() -> None:
    rows = {*api_rows.rows(), *api_rows.SIGNED, *api_rows.PUBLIC}
    of_ninja = {row for row in rows if " /" in row}

    assert of_ninja == routes.operations(), "add it to tests/isolation/api_rows.py"


def test_every_other_path_has_a_row() -> None:
    rows = {row.removeprefix("GET ") for row in {*api_rows.rows(), *api_rows.PUBLIC}}
    elsewhere = {row for row in rows if not row.startswith("/") and " /" not in row}

    assert elsewhere == routes.other_paths(), "add it to tests/isolation/api_rows.py"


def test_every_page_has_a_row() -> None:
    pages = {model._meta.label for model in admin.site._registry}

    assert pages == {*admin_rows.OWNED, *admin_rows.OPERATORS}


def test_every_address_of_a_page_has_a_row() -> None:
    own = {
        model._meta.label: paths - admin_rows.USUAL
        for model, paths in routes.pages().items()
    }

    assert {label: paths for label, paths in own.items() if paths} == admin_rows.OWN


def test_every_other_address_of_the_admin_has_a_row() -> None:
    assert routes.admin_paths() == {*admin_rows.SITE}
