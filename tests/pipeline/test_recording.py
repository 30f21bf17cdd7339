"""Links to recordings: what they name, how long they live, what they mean."""

from __future__ import annotations

import datetime as dt
import re
import time
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine

from dispatcher.pipeline.playback import file_names
from dispatcher.pipeline.recording import find, recording_url
from dispatcher.values import Recording
from tests.pipeline.conftest import call

pytestmark = [pytest.mark.db, pytest.mark.django_db]

UID = "pbx01-1756728013.921580"
RECORDED = (Recording(id="r1"), Recording(id="r2"))


@pytest.fixture
def taken(take, acme, globex):
    """The same call of two tenants, recorded."""
    for tenant in (acme, globex):
        take(tenant, call(UID, recordings=RECORDED))


def token_for(tenant, uid=UID):
    url = recording_url(tenant.pk, call(uid, recordings=RECORDED))
    return parse_qs(urlsplit(url).query)["token"][0]


# Links ----------------------------------------------------------------------------


def test_a_link_is_as_documented(acme, settings):
    settings.PUBLIC_URL = "https://cdrhook.example"

    url = recording_url(acme.pk, call(UID, recordings=RECORDED))

    begin = f"https://cdrhook.example/api/cdr/call-recording/{UID}?token="
    assert url.startswith(begin)
    assert re.fullmatch(r"[A-Za-z0-9._-]{60,90}", url.removeprefix(begin))


@pytest.mark.parametrize("recordings", [None, ()])
def test_there_is_no_link_without_a_recording(acme, recordings):
    assert recording_url(acme.pk, call(UID, recordings=recordings)) == ""


def test_a_uid_of_every_character_survives_the_path(acme):
    uid = "a:b@c+d-e_f.g"

    url = recording_url(acme.pk, call(uid, recordings=RECORDED))

    assert urlsplit(url).path == f"/api/cdr/call-recording/{uid}"


def test_a_batch_of_links_costs_little(acme):
    cdr = call(UID, recordings=RECORDED)
    started = time.perf_counter()
    for _ in range(100):
        recording_url(acme.pk, cdr)
    assert time.perf_counter() - started < 0.1


# What they mean -------------------------------------------------------------------


def test_a_link_means_the_first_recording_of_its_call(taken, acme, now):
    found = find(UID, token_for(acme), now)

    assert found is not None
    assert (found.tenant_external_id, found.uid) == ("acme", UID)
    assert found.recording == Recording(id="r1")


def test_the_same_uid_of_another_tenant_is_another_call(taken, globex, now):
    found = find(UID, token_for(globex), now)

    assert found is not None
    assert found.tenant_external_id == "globex"


def test_a_tenant_without_the_call_gets_nothing(taken, outsider, now):
    assert find(UID, token_for(outsider), now) is None


def test_a_token_of_another_call_is_good_for_nothing(taken, take, acme, now):
    take(acme, call("other", recordings=RECORDED))

    assert find(UID, token_for(acme, "other"), now) is None


def test_every_tampered_token_is_good_for_nothing(taken, acme, now):
    token = token_for(acme)
    for position, character in enumerate(token):
        other = "A" if character != "A" else "B"
        tampered = token[:position] + other + token[position + 1 :]
        assert find(UID, tampered, now) is None


@pytest.mark.parametrize(
    "token", ["", ".", "..", "...", "a.b.c", "ä.b.c", "\ud800.b.c", "x" * 9999, "\0"]
)
def test_what_is_no_token_is_good_for_nothing(taken, now, token):
    assert find(UID, token, now) is None


def test_no_part_of_a_token_can_be_moved_into_the_uid(taken, take, acme, now):
    name, made_at, signature = token_for(acme, "a").split(".")
    take(acme, call(f"a.{made_at}", recordings=RECORDED))

    assert find(f"a.{made_at}", f"{name}.{signature}", now) is None
    assert find(f"a.{made_at}", f"{name}..{signature}", now) is None


def test_a_token_is_worth_nothing_after_the_key_has_changed(taken, acme, now, settings):
    token = token_for(acme)
    settings.SECRET_KEY = "another key, for which the token was not made"

    assert find(UID, token, now) is None


@pytest.mark.parametrize("recordings", [None, ()])
def test_a_call_without_recordings_has_none(take, acme, now, recordings):
    take(acme, call(UID, recordings=recordings))

    assert find(UID, token_for(acme), now) is None


def test_a_recording_may_come_with_a_later_record(take, acme, now):
    take(acme, call(UID))
    take(acme, call(UID, duration=60, recordings=(Recording(id="late"),)))
    take(acme, call(UID, duration=61, recordings=(Recording(id="later"),)))
    take(acme, call(UID, duration=62))

    found = find(UID, token_for(acme), now)

    assert found is not None
    assert found.recording == Recording(id="later")


# How long they live ---------------------------------------------------------------


def test_a_link_lives_as_long_as_the_recording(taken, acme, now):
    token = token_for(acme)

    assert find(UID, token, now + dt.timedelta(days=36_500)) is not None


def test_a_shorter_life_is_the_tenants_option(taken, acme, globex, now):
    with time_machine.travel(now, tick=False):
        token, unlimited = token_for(acme), token_for(globex)
    acme.recording_link_hours = 2
    acme.save()
    end = now + dt.timedelta(hours=2)

    assert find(UID, token, end - dt.timedelta(seconds=1)) is not None
    assert find(UID, token, end) is None
    assert find(UID, unlimited, end) is not None


# Names in the storage -------------------------------------------------------------


def test_a_recording_is_looked_for_with_and_without_a_suffix():
    assert file_names("acme", "2026/11/a b.x") == [
        f"acme/2026/11/a b.x{suffix}"
        for suffix in ("", ".wav", ".mp3", ".ogg", ".opus", ".m4a", ".webm")
    ]


@pytest.mark.parametrize(
    "recording_id",
    [
        *("", ".", "..", "../globex/r", "a/../../globex/r", "a/..", "./a", "a/./b"),
        *("/etc/passwd", "//a", "a//b", "a/", "\\..\\a", "a\\b", "a\0b", "a\nb"),
        *("\ud800", "\u202eb"),
    ],
)
def test_no_recording_is_outside_its_tenants_folder(recording_id):
    assert file_names("acme", recording_id) == []


@pytest.mark.parametrize("external_id", [".", ".."])
def test_a_tenant_whose_name_is_no_folder_has_no_files(external_id):
    assert file_names(external_id, "r1") == []
