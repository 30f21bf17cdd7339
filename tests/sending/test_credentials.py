"""What is wrong with certificates, keys and logins is said at the setting at fault."""

from __future__ import annotations

import datetime as dt

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from dispatcher.sending.credentials import refusals
from dispatcher.values import Identity
from tests.sending.identities import authority_of, chain_of, identity_of, key_of

NOW = dt.datetime(2026, 3, 4, tzinfo=dt.UTC)
CA = trustme.CA()
CLIENT, OTHER = CA.issue_cert("client.example"), CA.issue_cert("other.example")
OLD = CA.issue_cert(
    "client.example",
    not_before=NOW - dt.timedelta(days=9),
    not_after=NOW - dt.timedelta(days=1),
)
NEW = CA.issue_cert("client.example", not_before=NOW + dt.timedelta(days=1))
LOCKED = (
    load_pem_private_key(key_of(CLIENT).encode(), None)
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    .decode()
)
CHAIN, KEY = chain_of(CLIENT), key_of(CLIENT)
UNRELATED = (
    generate_private_key(65537, 2048)
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    .decode()
)


@pytest.mark.parametrize(
    "identity",
    [
        Identity(),
        identity_of(CA),
        identity_of(CA, CLIENT, basic_username="a b", basic_password="c:d\u00e9"),
        Identity(ca_certificates=authority_of(CA) * 3),
        Identity(ca_certificates=f"# A comment\r\n{authority_of(CA)}"),
        Identity(client_certificate=CHAIN, client_key=KEY.replace("\n", "\r\n")),
        Identity(basic_username="token"),
        Identity(basic_password="token"),
    ],
)
def test_what_fits_together_may_be_saved(identity):
    assert refusals(identity, NOW) == []


@pytest.mark.parametrize(
    ("settings", "field", "words"),
    [
        ({"ca_certificates": "x"}, "ca_certificates", "is no certificate"),
        ({"ca_certificates": KEY}, "ca_certificates", "contains a private key"),
        (
            {"ca_certificates": CHAIN.replace("MII", "MIJ", 1)},
            "ca_certificates",
            "is no certificate",
        ),
        ({"client_certificate": "x", "client_key": KEY}, "client_certificate", "is no"),
        ({"client_certificate": CHAIN}, "client_key", "is needed"),
        ({"client_key": KEY}, "client_certificate", "is needed"),
        (
            {"client_certificate": CHAIN + KEY, "client_key": KEY},
            "client_certificate",
            "contains a private key",
        ),
        (
            {"client_certificate": CHAIN, "client_key": "x"},
            "client_key",
            "is no private",
        ),
        (
            {"client_certificate": CHAIN, "client_key": CHAIN},
            "client_key",
            "is no private",
        ),
        (
            {"client_certificate": CHAIN, "client_key": LOCKED},
            "client_key",
            "encrypted",
        ),
        (
            {"client_certificate": CHAIN, "client_key": UNRELATED},
            "client_key",
            "encrypted",
        ),
        (
            {"client_certificate": CHAIN, "client_key": key_of(OTHER)},
            "client_key",
            "does not fit",
        ),
        (
            {"client_certificate": chain_of(OLD), "client_key": key_of(OLD)},
            "client_certificate",
            "expired on 2026-03-03",
        ),
        (
            {"client_certificate": chain_of(NEW), "client_key": key_of(NEW)},
            "client_certificate",
            "is not valid before 2026-03-05",
        ),
        ({"basic_username": "a:b"}, "basic_username", "colon"),
        ({"basic_username": "a\r\nX y"}, "basic_username", "control"),
        ({"basic_password": "a\0"}, "basic_password", "control"),
        ({"basic_password": "a\n"}, "basic_password", "control"),
    ],
)
def test_what_is_wrong_is_said_at_its_setting(settings, field, words):
    (error,) = refusals(Identity(**settings), NOW)
    assert error.field == field
    assert words in error.message


def test_authorities_that_have_all_expired_are_refused():
    later = NOW.replace(year=9000)
    (error,) = refusals(Identity(ca_certificates=authority_of(CA)), later)
    assert (error.field, error.message) == ("ca_certificates", "has expired, all of it")


def test_dates_are_not_judged_without_a_clock():
    assert refusals(identity_of(CA, OLD), None) == []


def test_no_reason_repeats_a_key():
    broken = KEY[:200]
    (error,) = refusals(Identity(client_certificate=CHAIN, client_key=broken), NOW)
    assert KEY.splitlines()[1] not in error.message
