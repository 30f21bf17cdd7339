"""A source's page: made, changed, connected, given tokens, and removed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from dispatcher.models import (
    ApiToken,
    AuditEntry,
    CallLeg,
    QuarantinedRecord,
    RawRecord,
    Source,
)
from dispatcher.models.source import packed
from dispatcher.pipeline import sources
from tests.admin.roles import client_in, make_world

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from dispatcher.models import StoredCdr, Tenant

pytestmark = [pytest.mark.db, pytest.mark.django_db]

LIST = "/admin/dispatcher/source/"
SETTINGS = {
    "name": "switch-1",
    "pbx": "freeswitch",
    "active": "on",
    "alert_when_silent": "on",
    "legs": "per_leg",
    "leg_wait_seconds": "30",
}
TOKEN = re.compile(r"cdr_[\w-]{43}")


@pytest.fixture
def source(acme: Tenant) -> Source:
    return Source.objects.create(
        tenant=acme,
        name="switch-1",
        pbx="freeswitch",
        secret="hush",
    )


@pytest.fixture
def fetched(source: Source) -> Source:
    """One that is read from a database."""
    source.pbx = "kamailio"
    source.connection = "postgresql://reader:pass-word@db.example/cdr"
    source.save()
    return source


def page(client: Client, source: Source, below: str = "change/") -> str:
    response = client.get(f"{LIST}{source.pk}/{below}")
    assert response.status_code == 200
    return response.content.decode()


def change(client: Client, source: Source, **settings: Any) -> str:
    form = {**SETTINGS, **settings}
    response = client.post(f"{LIST}{source.pk}/change/", form, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def test_a_new_source_leads_on_to_how_it_is_connected(admin_client: Client, acme):
    form = {**SETTINGS, "tenant": str(acme.pk), "region": "gb"}

    response = admin_client.post(f"{LIST}add/", form, follow=True)

    made = Source.objects.get()
    assert response.redirect_chain[-1][0] == f"{LIST}{made.pk}/connect/"
    assert (made.tenant, made.name, made.region) == (acme, "switch-1", "GB")
    assert "/ingest/freeswitch/acme/switch-1" in response.content.decode()
    entry = AuditEntry.objects.get(object_type="source")
    assert (entry.action, entry.tenant_id) == ("made", acme.pk)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"name": "a b"}, "1 to 64 of the characters"),
        ({"name": ".."}, "is a part of the URL"),
        ({"name": "taken"}, "already exists"),
        ({"pbx": "nothing"}, "Select a valid choice"),
        ({"time_zone": "Mars/Base"}, "is no IANA time zone"),
        ({"region": "G1"}, "must be the two letters of a country"),
        ({"directions": "inbound"}, "Line 1: write a rule as"),
        ({"directions": "inbound if nothing:eq:1"}, "rule 1"),
        ({"directions": "sideways if dur:eq:1"}, "must be one of inter"),
        ({"allowed_networks": "10.0.0.1/8"}, "has host bits set"),
        ({"leg_wait_seconds": "3601"}, "less than or equal to 3600"),
        ({"folder": "spool", "file_format": ""}, "must be an absolute path"),
        ({"connection": "ftp://x"}, "no live connections to freeswitch"),
    ],
)
def test_what_is_at_fault_is_said_at_its_field(
    admin_client: Client, acme, settings: dict[str, str], said: str
):
    Source.objects.create(tenant=acme, name="taken", pbx="freeswitch")
    form = {**SETTINGS, "tenant": str(acme.pk), **settings}

    response = admin_client.post(f"{LIST}add/", form)

    assert said in response.content.decode()
    assert Source.objects.count() == 1


def test_rules_of_direction_are_lines(admin_client: Client, source: Source):
    rules = "inbound if ddiNum:startswith:+44\n\nInternal if dur:lt:5"

    change(admin_client, source, directions=rules)

    source.refresh_from_db()
    assert source.directions == [
        {"field": "ddiNum", "op": "startswith", "value": "+44", "direction": "inbound"},
        {"field": "dur", "op": "lt", "value": "5", "direction": "internal"},
    ]
    assert "internal if dur:lt:5" in page(admin_client, source)


def test_secrets_go_in_and_never_come_out(admin_client: Client, fetched: Source):
    shown = page(admin_client, fetched)

    assert "hush" not in shown
    assert "pass-word" not in shown
    assert "postgresql://reader:***@db.example/cdr" in shown


@pytest.mark.parametrize(
    "url", ["ami://u:s@pbx", "amis://u:s@pbx", "postgresql://db/cdr", "mysql+x://db/c"]
)
def test_an_asterisk_may_be_asked_over_every_connection_there_is(url: str):
    asterisk = Source(name="pbx", pbx="asterisk", connection=url)
    assert sources.refusals(asterisk) == []


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("", ""),
        ("ami://cdr:secret@pbx:5038", "ami://cdr:***@pbx:5038"),
        ("mysql://db/cdr?password=secret", "mysql://db/cdr?***"),
        ("mysql://[", "***"),
    ],
)
def test_a_connection_is_recognised_without_its_password(url: str, shown: str):
    assert sources.masked(url) == shown


def test_a_secret_that_is_left_alone_stays_and_an_empty_one_is_removed(
    admin_client: Client, fetched: Source
):
    left = {"connection": "postgresql://reader:***@db.example/cdr"}

    change(admin_client, fetched, secret="***", **left)
    fetched.refresh_from_db()
    assert fetched.secret == "hush"
    assert fetched.connection == "postgresql://reader:pass-word@db.example/cdr"

    change(admin_client, fetched, secret="", **left)
    fetched.refresh_from_db()
    assert fetched.secret == ""


def test_an_entry_of_the_audit_log_tells_no_folder_of_the_operators(
    source: Source, now
):
    source.folder, source.table, source.secret = "/var/spool/x", "cdr", "other"

    sources.save(source, now=now)

    changes = AuditEntry.objects.get().changes
    assert changes["folder"] == ["", "changed"]
    assert "/var/spool" not in str(changes)


def test_saving_settings_leaves_alone_what_others_write_meanwhile(source: Source, now):
    Source.objects.filter(pk=source.pk).update(cursor={"id": 7}, mapping={"a": "b"})

    source.region = "GB"
    sources.save(source, now=now)

    source.refresh_from_db()
    assert (source.cursor, source.mapping, source.region) == (
        {"id": 7},
        {"a": "b"},
        "GB",
    )


def test_name_and_pbx_stay_since_the_url_has_them(admin_client: Client, source: Source):
    change(admin_client, source, name="other", pbx="generic", region="GB")

    source.refresh_from_db()
    assert (source.name, source.pbx, source.region) == ("switch-1", "freeswitch", "GB")


def test_members_neither_see_nor_set_what_is_fetched(db):
    world = make_world()
    source = world.of(Source, "acme")
    Source.objects.filter(pk=source.pk).update(folder="/srv/spool", trouble="at db1")

    for role in ("tenant administrator", "partner administrator", "tenant viewer"):
        client = client_in(role, world)
        shown = page(client, source)
        client.post(f"{LIST}{source.pk}/change/", {**SETTINGS, "folder": "/etc"})
        source.refresh_from_db()
        assert source.folder == "/srv/spool"
        for hidden in ("/srv/spool", "db.example", "at db1", 'name="connection"'):
            assert hidden not in shown, (role, hidden)


# Tokens -------------------------------------------------------------------------------


def test_a_token_is_filled_in_where_it_is_to_be_pasted_and_shown_once(
    admin_client: Client, source: Source
):
    made = admin_client.post(f"{LIST}{source.pk}/token/").content.decode()

    [text] = set(TOKEN.findall(made))
    token = ApiToken.objects.get()
    assert token.digest == ApiToken.digest_of(text)
    assert (token.source, token.tenant, token.scopes) == (
        source,
        source.tenant,
        ["ingest"],
    )
    assert text not in page(admin_client, source, "connect/")
    assert not TOKEN.search(str(admin_client.session.items()))


def test_a_token_is_revoked_on_the_sources_page(admin_client: Client, source: Source):
    admin_client.post(f"{LIST}{source.pk}/token/")
    token = ApiToken.objects.get()

    admin_client.post(f"{LIST}{source.pk}/token/{token.pk}/revoke/")

    token.refresh_from_db()
    assert token.revoked_at is not None
    assert str(token) not in page(admin_client, source)


def test_the_list_of_tokens_tells_the_source(admin_client: Client, source: Source):
    admin_client.post(f"{LIST}{source.pk}/token/")

    shown = admin_client.get("/admin/dispatcher/apitoken/").content.decode()

    assert f'href="{LIST}{source.pk}/change/"' in shown


# The light ----------------------------------------------------------------------------


def test_the_light_is_grey_then_green_and_tells_the_record(
    admin_client: Client, source: Source, stored: Callable[..., StoredCdr]
):
    light = f"{LIST}{source.pk}/light/"
    before = admin_client.get(light).json()

    cdr = stored(source.tenant, "call-1")
    RawRecord.objects.create(cdr=cdr, source=source, packed=packed(b"{}"))

    after = admin_client.get(light).json()
    assert (before["colour"], after["colour"]) == ("grey", "green")
    assert "no record yet" in before["html"]
    assert "call-1" in after["html"]


def test_the_light_is_green_while_the_first_legs_wait_for_others(
    admin_client: Client, source: Source, now
):
    CallLeg.objects.create(
        source=source, call_id="1", uid="a", record="{}", received_at=now, due_at=now
    )

    seen = admin_client.get(f"{LIST}{source.pk}/light/").json()

    assert seen["colour"] == "green"


def test_the_light_is_amber_when_what_came_cannot_be_read(
    admin_client: Client, source: Source, now
):
    record = QuarantinedRecord.objects.create(
        tenant=source.tenant,
        source="freeswitch",
        from_source=source,
        reason="no JSON",
        body=b"?",
        digest="1",
        first_seen_at=now,
        last_seen_at=now,
    )

    seen = admin_client.get(f"{LIST}{source.pk}/light/").json()

    assert seen["colour"] == "amber"
    assert f"/admin/dispatcher/quarantinedrecord/{record.pk}/" in seen["html"]


# Removing -----------------------------------------------------------------------------


def test_a_removed_sources_token_ends_and_its_records_stay(
    admin_client: Client,
    source: Source,
    stored: Callable[..., StoredCdr],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(sources, "STEP", 1)
    for uid in ("call-1", "call-2"):
        cdr = stored(source.tenant, uid)
        RawRecord.objects.create(cdr=cdr, source=source, packed=packed(b"{}"))
    admin_client.post(f"{LIST}{source.pk}/token/")

    shown = admin_client.post(
        f"{LIST}{source.pk}/delete/", {"post": "yes"}, follow=True
    )

    assert "its calls stay" in shown.content.decode()
    assert not Source.objects.exists()
    assert not ApiToken.objects.exists()
    assert RawRecord.objects.filter(source=None).count() == 2
    actions = AuditEntry.objects.order_by("id").values_list("action", flat=True)
    assert list(actions) == ["made", "changed", "revoked", "deleted"]


def test_a_source_is_not_removed_while_legs_wait(
    admin_client: Client, source: Source, now
):
    source.legs_taken.create(
        call_id="c", uid="leg", record="{}", packed=b"\0", received_at=now, due_at=now
    )

    shown = admin_client.post(
        f"{LIST}{source.pk}/delete/", {"post": "yes"}, follow=True
    )

    assert "legs of its calls wait" in shown.content.decode()
    assert Source.objects.exists()


def test_what_takes_long_is_gone_on_with(
    source: Source, stored: Callable[..., StoredCdr], now
):
    cdr = stored(source.tenant, "call-1")
    RawRecord.objects.create(cdr=cdr, source=source, packed=packed(b"{}"))

    assert not sources.remove(source, now=now, seconds=0)
    assert Source.objects.get().active is False
    assert sources.remove(source, now=now)
