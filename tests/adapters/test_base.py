from __future__ import annotations

import hashlib

from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.adapters.base import BadCdr, safe_uid
from dispatcher.adapters.cdr_json import parse
from dispatcher.values import FieldError


def test_an_id_of_allowed_characters_stays_as_it_is():
    uid = "f47ac10b-58cc@pbx.example:5060+1_a"

    assert safe_uid(uid) == uid


def test_every_other_character_becomes_an_underscore_and_a_digest_follows():
    digest = hashlib.sha256("1795392923.7/ä b".encode()).hexdigest()[:8]

    assert safe_uid("1795392923.7/ä b") == f"1795392923.7___b-{digest}"


def test_two_ids_that_differ_in_foreign_characters_only_stay_apart():
    assert safe_uid("a/b") != safe_uid("a b")


def test_a_long_id_is_cut_to_200_characters_and_stays_apart_from_its_neighbour():
    one, two = safe_uid("x" * 300), safe_uid("x" * 301)

    assert len(one) == len(two) == 200
    assert one != two


@settings(deadline=None, database=None)
@given(st.text(st.characters(), min_size=1))
def test_every_id_becomes_a_uid_that_the_api_would_take(text):
    uid = safe_uid(text)

    assert parse({"uid": uid, "started_at": "2026-11-23T00:00:00Z"}).uid == uid


def test_the_text_of_a_bad_cdr_names_every_field():
    bad = BadCdr(FieldError("uid", "required"), FieldError("caller.x", "unknown field"))

    assert str(bad) == "uid: required; caller.x: unknown field"
    assert [error.field for error in bad.errors] == ["uid", "caller.x"]
