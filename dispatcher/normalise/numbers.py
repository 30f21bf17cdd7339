"""Numbers as E.164, by what is known of the world's numbering plans (phonenumbers).

Guesses nothing: what is not surely a number of the region, or written as an
international one, stays as it came. docs/sense.md says what is left alone and why.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

import phonenumbers
from phonenumbers import shortnumberinfo

# An extension, an emergency number, a short code: no plan has all of those.
SHORT_MAX_DIGITS: Final = 6
REGIONS: Final = frozenset(phonenumbers.SUPPORTED_REGIONS)
# What PBXs write in the place of a number that the caller withheld, or nobody knows.
WITHHELD: Final = frozenset(
    {
        *("anonymous", "blocked", "caller id unavailable", "id unavailable"),
        *("no caller id", "no number", "not available", "number withheld"),
        *("private", "private number", "restricted", "unavailable", "unknown"),
        *("unknown number", "withheld"),
    }
)
# The user part: a sip: URI without a user has only a host, which is no number.
_URI: Final = re.compile(
    r"(?:[^<]*<)?(?:sips?:(?=[^>]*@)|tel:)([^@;>:?]+)", re.IGNORECASE
)
_NUMBER: Final = re.compile(r"\+?[0-9 ().\-/\u00a0]+")
# Rather than numbers of services, of which some are shorter than an area's.
_LINES: Final = frozenset(
    {
        phonenumbers.PhoneNumberType.FIXED_LINE,
        phonenumbers.PhoneNumberType.MOBILE,
        phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE,
    }
)
_NOT_DIALLED: Final = re.compile(r"[^0-9*#]")
_DIALLED: Final = re.compile(r"\+?[0-9*#]+")


def region_refusal(region: str) -> str | None:
    """Why a source cannot have that default region; None: it can. "" is none."""
    if not region or region in REGIONS:
        return None
    if region.upper() in REGIONS:
        return f"must be written in capital letters: {region.upper()}"
    if region.upper() == "UK":
        return "must be GB for the United Kingdom (ISO 3166)"
    return "must be the two letters of a country (ISO 3166), such as GB or DE"


@lru_cache(maxsize=32_768)
def e164(text: str, region: str) -> str | None:
    """The number in E.164 with +, or as it came; None: it stands for a withheld one.

    Without a region only what begins with + is tidied (spaces, brackets), and taken out
    of a sip: or tel: URI. With one, its national numbers become E.164, as do those
    written with its prefix for calls abroad (00, 011). Short ones stay as they are.
    """
    region = region if region in REGIONS else ""
    written = _out_of_uri(text)
    if region and written.strip(" <>").lower() in WITHHELD:
        return None
    number = _number(written, region)
    if number is None:
        return text
    # What would come out otherwise the next time is better left alone.
    return number if _number(number, region) == number else text


def is_short(number: str) -> bool:
    """Whether it is dialled inside a PBX: an extension, or a feature code."""
    if number.startswith("*"):
        return True
    return bool(_DIALLED.fullmatch(number)) and (
        len(number) <= SHORT_MAX_DIGITS and not number.startswith("+")
    )


def is_long(number: str) -> bool:
    """Whether it is one of the public network, by its length."""
    return bool(_NUMBER.fullmatch(number)) and _digits(number) > SHORT_MAX_DIGITS


@lru_cache(maxsize=1024)
def is_emergency(number: str, region: str) -> bool:
    """Whether it calls the emergency services of the region."""
    return region in REGIONS and shortnumberinfo.is_emergency_number(number, region)


def _out_of_uri(text: str) -> str:
    """The user part of a sip: or tel: URI, which may stand in angle brackets."""
    uri = _URI.match(text)
    return unquote(uri[1]) if uri else text.strip()


def _number(written: str, region: str) -> str | None:
    """The number, short ones as they are written; None: it is none, or doubtful."""
    if not _NUMBER.fullmatch(written):
        return None
    if written.startswith("+"):
        return _international(written)
    if not region:
        return None
    if _digits(written) <= SHORT_MAX_DIGITS:
        return written if written.isdigit() else None
    return _national(written, region)


def _international(written: str) -> str | None:
    number = _parsed(written, None)
    is_possible = number and phonenumbers.is_possible_number(number)
    return _formatted(number) if number and is_possible else None


def _national(written: str, region: str) -> str | None:
    number = _with_own_code(written, region) or _parsed(written, region)
    is_sure = number and _is_given_out(number)
    return _formatted(number) if number and is_sure else None


def _with_own_code(written: str, region: str) -> phonenumbers.PhoneNumber | None:
    """The number, if it begins with the region's country code, and is one with that.

    Where numbers have no fixed length (Germany), 4915112345678 is by its plan as well a
    national number without its 0. Who leaves that out has nearly always put the code in
    its place. Where national numbers have no 0 (Italy), they may begin with the code.
    """
    plan = phonenumbers.PhoneMetadata.metadata_for_region(region)
    digits = _NOT_DIALLED.sub("", written)
    code = str(plan.country_code) if plan and plan.national_prefix else ""
    if not code or not digits.startswith(code):
        return None
    number = _parsed("+" + digits, None)
    is_line = number and phonenumbers.number_type(number) in _LINES
    return number if number and is_line and _is_given_out(number) else None


def _parsed(written: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(written, region)
    except phonenumbers.NumberParseException:
        return None


def _is_given_out(number: phonenumbers.PhoneNumber) -> bool:
    return phonenumbers.is_possible_number(number) and phonenumbers.is_valid_number(
        number
    )


def _formatted(number: phonenumbers.PhoneNumber) -> str:
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _digits(written: str) -> int:
    return len(_NOT_DIALLED.sub("", written))
