"""A source's prefix keeps the calls of two PBXs apart that give the same ids."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from dispatcher.adapters.base import Read
from dispatcher.models import Delivery, Source, StoredCdr
from dispatcher.pipeline.ingest import Origin, store
from tests.pipeline.conftest import call

pytestmark = pytest.mark.db


@pytest.fixture
def source_of(acme):
    def make(name: str, prefix: str, **settings: object) -> Source:
        return Source.objects.create(
            tenant=acme, name=name, pbx="asterisk", uid_prefix=prefix, **settings
        )

    return make


@pytest.fixture
def hand_over(acme, now):
    def hand(source: Source, *cdrs):
        reads = [Read(cdr, b"raw") for cdr in cdrs]
        return store(acme, reads, Origin("asterisk", source), now=now)

    return hand


def test_the_same_id_of_two_pbxs_is_two_calls(acme, webhook_of, source_of, hand_over):
    webhook_of(acme)
    for name in ("north", "south"):
        hand_over(source_of(name, f"{name}:"), call("1772431205.10-5"))

    uids = set(StoredCdr.objects.values_list("uid", flat=True))
    assert uids == {"north:1772431205.10-5", "south:1772431205.10-5"}
    assert Delivery.objects.count() == 2


def test_what_one_pbx_repeats_is_a_duplicate_all_the_same(source_of, hand_over):
    source = source_of("north", "north:")

    taken = [hand_over(source, call("a")) for _ in range(2)]

    assert [(one.accepted, one.duplicates) for one in taken] == [(1, 0), (0, 1)]


def test_legs_of_a_call_still_have_one_call_id(source_of, hand_over):
    source = source_of("north", "n-")
    hand_over(source, call("a", call_id="x 1"), call("b", call_id="x 1"), call("c"))

    ids = {row.uid: row.record for row in StoredCdr.objects.all()}
    of_call = {uid: "n-x_1-" in record for uid, record in ids.items()}
    assert of_call == {"n-a": True, "n-b": True, "n-c": False}


def test_an_id_that_would_be_too_long_is_cut_and_marked(source_of, hand_over):
    hand_over(source_of("north", "n" * 32), call("a" * 200))

    (uid,) = StoredCdr.objects.values_list("uid", flat=True)
    assert (len(uid), uid[:33]) == (200, "n" * 32 + "a")


@pytest.mark.parametrize("prefix", ["a b", "ä", "a\n", "x/"])
def test_a_prefix_that_no_id_may_hold_is_refused(source_of, prefix):
    with pytest.raises(ValidationError, match="of the characters"):
        source_of("north", prefix).full_clean()
