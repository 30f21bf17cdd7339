"""When two texts are the same number, and where one stands in a text."""

import pytest

from dispatcher.privacy.numbers import canonical, pattern_of, split


@pytest.mark.parametrize(
    "text",
    [
        "+442031703746",
        "442031703746",
        "00442031703746",
        "+44 20 3170 3746",
        "+44 (0)20 3170-3746",
        "(44) 203.170/3746",
        "sip:+442031703746@10.0.0.1:5060;user=phone",
        "tel:+44-20-3170-3746;ext=9",
        "٤٤٢٠٣١٧٠٣٧٤٦",
    ],
)
def test_one_number_is_the_same_however_it_is_written(text):
    assert canonical(text) == "442031703746"


@pytest.mark.parametrize("text", ["02031703746", "+4420317037460", "2031703746", ""])
def test_a_number_without_its_country_code_is_another(text):
    assert canonical(text) != "442031703746"


def test_an_address_is_split_around_its_number():
    assert split("sip:302@pbx;tag=1") == ("sip:", "302", "@pbx;tag=1")
    assert split("+4420") == ("", "+4420", "")


@pytest.mark.parametrize(
    "text",
    [
        "+442031703746",
        "0044 20 3170 3746",
        '{"number":"442031703746"}',
        "call +44 (0)20 3170 3746.",
        "from_442031703746.wav",
        "tel442031703746x",
    ],
)
def test_a_number_is_found_whole_in_any_text(text):
    assert pattern_of("442031703746").search(text)


@pytest.mark.parametrize(
    "text", ["1442031703746", "4420317037461", "44203170374", "2031703746", ""]
)
def test_a_part_of_another_number_is_not_found(text):
    assert not pattern_of("442031703746").search(text)


def test_a_short_number_is_found_only_by_itself():
    found = pattern_of("302")

    assert found.search("Desk 302, first floor")
    assert not found.search("a302b")
    assert not found.search("3021")
