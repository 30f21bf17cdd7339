"""What a PBX sent is shown beside what was made of it, and can be downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dispatcher.models import CallLeg, CdrRevision, RawRecord, Source, StoredCdr
from dispatcher.models.source import packed
from tests.admin.conftest import ESCAPED, EVIL
from tests.admin.roles import client_in, make_world

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from dispatcher.models import Tenant

pytestmark = [pytest.mark.db, pytest.mark.django_db]

PAGE = "/admin/dispatcher/storedcdr/"


@pytest.fixture
def cdr(acme: Tenant, stored: Callable[..., StoredCdr]) -> StoredCdr:
    return stored(acme, "call-1")


def keep(cdr: StoredCdr, body: bytes) -> Source:
    source = Source.objects.create(tenant=cdr.tenant, name="switch-1", pbx="freeswitch")
    RawRecord.objects.create(cdr=cdr, source=source, packed=packed(body))
    return source


def page(client: Client, cdr: StoredCdr) -> str:
    return client.get(f"{PAGE}{cdr.pk}/change/").content.decode()


def test_text_is_shown_as_text_and_escaped(admin_client: Client, cdr: StoredCdr):
    source = keep(cdr, EVIL.encode())

    shown = page(admin_client, cdr)

    assert ESCAPED in shown
    assert EVIL not in shown
    assert f"/admin/dispatcher/source/{source.pk}/change/" in shown


def test_other_bytes_are_shown_in_hex(admin_client: Client, cdr: StoredCdr):
    keep(cdr, b"\xff\x00<cdr>")

    assert "ff 00 3c 63 64 72 3e" in page(admin_client, cdr)


def test_of_much_the_first_64_kib_are_shown_and_all_is_downloaded(
    admin_client: Client, cdr: StoredCdr
):
    body = b"x" * 70_000
    keep(cdr, body)

    shown = page(admin_client, cdr)
    response = admin_client.get(f"{PAGE}{cdr.pk}/raw/")

    assert "… 4,464 more bytes" in shown
    assert "Download the 70000 bytes" in shown
    assert response.content == body
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"].startswith("attachment; ")


def test_revisions_and_legs_have_theirs(admin_client: Client, cdr: StoredCdr, now):
    source = keep(cdr, b"first")
    CdrRevision.objects.create(
        cdr=cdr, number=1, record="{}", received_at=now, packed=packed(b"revised")
    )
    leg = CallLeg.objects.create(
        source=source, call_id="c", uid="leg-b", record="{}", received_at=now,
        packed=packed(b"of the leg"), cdr=cdr,
    )  # fmt: skip

    shown = page(admin_client, cdr)

    for text in ("revised", "leg-b", "of the leg"):
        assert text in shown
    assert admin_client.get(f"{PAGE}{cdr.pk}/raw/1/").content == b"revised"
    assert admin_client.get(f"{PAGE}{cdr.pk}/leg/{leg.pk}/").content == b"of the leg"


def test_what_came_as_our_own_json_has_none(admin_client: Client, cdr: StoredCdr):
    assert "What the PBX sent" not in page(admin_client, cdr)
    assert admin_client.get(f"{PAGE}{cdr.pk}/raw/").status_code == 404
    assert admin_client.get(f"{PAGE}{cdr.pk}/raw/1/").status_code == 404


def test_members_download_their_own_only(db):
    world = make_world()
    client = client_in("tenant viewer", world)

    own = client.get(f"{PAGE}{world.of(StoredCdr, 'acme').pk}/raw/")
    foreign = client.get(f"{PAGE}{world.of(StoredCdr, 'globex').pk}/raw/")

    assert (own.status_code, own.content) == (200, b"acme")
    assert foreign.status_code == 404
