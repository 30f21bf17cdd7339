"""Numbers become E.164 where that is sure, and stay as they came where it is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.normalise.numbers import REGIONS, e164, is_short, region_refusal


@pytest.mark.parametrize(
    ("text", "region", "number"),
    [
        ("020 3170 3746", "GB", "+442031703746"),
        ("(020) 3170-3746", "GB", "+442031703746"),
        ("442031703746", "GB", "+442031703746"),
        ("0044 20 3170 3746", "GB", "+442031703746"),
        ("0033 1 42 68 53 00", "GB", "+33142685300"),
        ("+44 (0)20 3170 3746", "GB", "+442031703746"),
        ("2025550123", "US", "+12025550123"),
        ("011442031703746", "US", "+442031703746"),
        ("030 12345678", "DE", "+493012345678"),
        # By its plan alone it could be a national number without its 0.
        ("4915112345678", "DE", "+4915112345678"),
        ("492111234567", "DE", "+492111234567"),
        ("49 211 1234567", "DE", "+492111234567"),
        ("04921 123456", "DE", "+494921123456"),
        ("2111234567", "DE", "+492111234567"),
        # Where no 0 is dialled, a mobile may begin with the country code.
        ("3906123456", "IT", "+393906123456"),
        # The zero is part of an Italian number.
        ("06 1234 5678", "IT", "+390612345678"),
        ("sip:+442031703746@pbx.example;transport=tls", "GB", "+442031703746"),
        ('"Zoë" <sips:02031703746:secret@10.0.0.1:5061>', "GB", "+442031703746"),
        ("tel:+44-20-3170-3746", "GB", "+442031703746"),
        ("sip:101@pbx.example", "GB", "101"),
        # Not possible, or not given out.
        ("01632 960111", "GB", "01632 960111"),
        ("020 3170", "GB", "020 3170"),
        ("33142685300", "GB", "33142685300"),
        # A host, not a user.
        ("sip:212.55.101.23", "US", "sip:212.55.101.23"),
        ("<sip:212.55.101.23:5060>", "US", "<sip:212.55.101.23:5060>"),
        ("+1", "GB", "+1"),
    ],
)
def test_a_number_becomes_e164_where_it_surely_is_one(text, region, number):
    assert e164(text, region) == number


@pytest.mark.parametrize(
    "text",
    [
        *("101", "0", "112", "118118", "*97", "#31#02031703746", "alice", "s", ""),
        *("sip:alice@pbx.example", "1-800-FLOWERS", "+", "020 3170 3746 x12"),
        "٠٢٠٣١٧٠٣٧٤٦",
    ],
)
def test_what_is_no_number_of_the_public_network_stays_as_it_came(text):
    assert e164(text, "GB") == text


@pytest.mark.parametrize(
    "text", ["anonymous", "Restricted", "sip:anonymous@anonymous.invalid", "UNKNOWN"]
)
def test_a_word_for_a_withheld_number_is_no_number(text):
    assert e164(text, "GB") is None


@pytest.mark.parametrize("region", ["", "XX", "gb"])
def test_without_a_region_only_what_begins_with_a_plus_is_tidied(region):
    assert e164("+44 20 3170-3746", region) == "+442031703746"
    assert e164("sip:+442031703746@host", region) == "+442031703746"
    assert e164("020 3170 3746", region) == "020 3170 3746"
    assert e164("sip:101@host", region) == "sip:101@host"
    assert e164("anonymous", region) == "anonymous"


@given(
    st.text(max_size=30) | st.from_regex(r"(sip:)?\+?[0-9 ()./-]{0,18}(@x)?"),
    st.sampled_from(["", "GB", "US", "DE", "IT", "AR", "MX", "BR", "NO", "SG"]),
)
def test_a_number_that_was_normalised_is_not_changed_again(text, region):
    once = e164(text, region)

    assert once is None or e164(once, region) == once


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        *(("101", True), ("*97", True), ("*72020317", True), ("1234567", False)),
        *(("+4420", False), ("alice", False), ("", False)),
    ],
)
def test_an_extension_or_a_feature_code_is_short(number, expected):
    assert is_short(number) is expected


def test_a_region_is_a_country_that_has_numbers():
    assert region_refusal("") is None
    assert all(region_refusal(region) is None for region in REGIONS)
    assert region_refusal("gb") == "must be written in capital letters: GB"
    assert region_refusal("UK") == "must be GB for the United Kingdom (ISO 3166)"
    assert "two letters of a country" in str(region_refusal("XX"))
    assert "two letters of a country" in str(region_refusal("England"))
