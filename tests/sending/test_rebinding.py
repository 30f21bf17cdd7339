"""Names whose answers change, at a real name server, by the system's getaddrinfo."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.sending.rebinding import AWAY, INNER, METADATA, MISSING, NAMES, ONCE, PUBLIC


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """What became of it; fails where no namespace can be had: nothing else shows it."""
    program = [sys.executable, "-m", "tests.sending.rebinding"]
    ran = subprocess.run(program, capture_output=True, text=True, timeout=100)
    if ran.returncode != 0:
        pytest.fail(
            f"no network of its own (see tests/sending/namespace): {ran.stderr}"
        )
    loaded: dict[str, Any] = json.loads(ran.stdout)
    return loaded


@pytest.mark.parametrize("name", ["rebound.example", "cloud.example"])
def test_a_name_that_leads_inside_by_its_next_look_up_is_blocked(found, name):
    first, second = found["attempts"][name]
    assert (first["verdict"], first["address"]) == ("delivered", PUBLIC)
    assert (second["error_class"], second["address"]) == ("blocked", "")


@pytest.mark.parametrize("name", ["rebound.example", "cloud.example", *ONCE])
def test_a_connection_takes_one_look_up(found, name):
    assert found["asked"][name] == len(found["attempts"][name])


def test_what_was_judged_is_what_was_dialled(found):
    # Two names that were public when they were judged, and one of several addresses.
    assert found["connections"] == {PUBLIC: 3, INNER: 0, METADATA: 0}


def test_a_connection_that_is_kept_is_not_looked_up_again(found):
    one, other = found["attempts"]["hasty.example"]
    assert (one["address"], other["address"]) == (PUBLIC, PUBLIC)
    assert (found["asked"]["hasty.example"], found["kept"]) == (1, 1)


def test_of_several_addresses_the_good_one_is_used_and_no_other(found):
    (mixed,) = found["attempts"]["mixed.example"]
    assert (mixed["verdict"], mixed["address"]) == ("delivered", PUBLIC)


def test_a_dead_good_address_does_not_lead_to_a_bad_one(found):
    (bait,) = found["attempts"]["bait.example"]
    assert (bait["error_class"], bait["address"]) == ("connect", AWAY)


INSIDE = sorted(set(ONCE) - {"mixed.example", "bait.example", "empty.example"})


@pytest.mark.parametrize("name", INSIDE)
def test_whatever_way_a_name_leads_inside_the_reason_is_the_same(found, name):
    (attempt,) = found["attempts"][name]
    (like,) = found["attempts"]["inner.example"]
    assert attempt["error"] == like["error"].replace("inner.example", name)
    assert (attempt["error_class"], attempt["address"]) == ("blocked", "")


@pytest.mark.parametrize("name", ["missing.example", "empty.example"])
def test_a_name_without_addresses_is_a_dns_failure(found, name):
    (attempt,) = found["attempts"][name]
    assert attempt["error_class"] == "dns"


def test_every_name_of_the_table_was_tried(found):
    assert set(found["attempts"]) == {*NAMES, MISSING}
