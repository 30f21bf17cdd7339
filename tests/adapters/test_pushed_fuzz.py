"""Whatever is pushed by a PBX's webhook: calls, or the same bytes back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.adapters import json_items
from dispatcher.adapters.base import BadCdr, Read, Undecodable
from dispatcher.adapters.registry import ADAPTERS
from dispatcher.values import SourceRules

NAMES = ("grandstream", "kazoo", "webex", "yeastar")
FOLDER = Path(__file__).parents[1] / "samples"
SAMPLES = {
    name: [
        path.read_bytes()
        for path in sorted((FOLDER / name).iterdir())
        if "expected" not in path.name
    ]
    for name in NAMES
}
RULES = SourceRules(zone="Europe/London")
SIZE = 100_000
BEGINNINGS = [b"", b"{", b"[", b'{"', b'{"msg":"', b'[{"start":"', b"call_id=", b"a["]

every_adapter = pytest.mark.parametrize("name", NAMES)
examples = settings(deadline=None, database=None, max_examples=150)


def check(name: str, body: bytes) -> None:
    """Nothing is raised and no byte is lost, and there is not too much of it."""
    items = ADAPTERS[name].decode(body, rules=RULES)
    assert 1 <= len(items) <= json_items.MAX_RECORDS
    lost = [item for item in items if isinstance(item, Undecodable)]
    assert all(item.reason.encode() for item in lost)
    if len(lost) == len(items):
        assert [item.body for item in lost] == [body]
    raws = [item.raw if isinstance(item, Read) else item.body for item in items]
    assert all(raw in body for raw in raws)


@every_adapter
@examples
@given(body=st.binary(), beginning=st.sampled_from(BEGINNINGS))
def test_any_bytes_are_answered(name, body, beginning):
    check(name, beginning + body)


@every_adapter
@examples
@given(data=st.data())
def test_a_body_that_was_cut_anywhere_is_answered(name, data):
    body = data.draw(st.sampled_from(SAMPLES[name]))

    check(name, body[: data.draw(st.integers(0, len(body)))])


@every_adapter
@examples
@given(data=st.data(), other=st.binary(max_size=8))
def test_a_body_that_was_changed_anywhere_is_answered(name, data, other):
    body = data.draw(st.sampled_from(SAMPLES[name]))
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, min(len(body), start + 8)))

    check(name, body[:start] + other + body[end:])


@every_adapter
@examples
@given(data=st.data())
def test_a_value_of_any_kind_in_any_field_is_answered(name, data):
    body = data.draw(st.sampled_from(SAMPLES[name]))
    quoted = [place for place in range(len(body)) if body.startswith(b'": ', place)]
    value = st.sampled_from(
        [
            b"1e999",
            b"-1",
            b"9" * 4000,
            b"9" * 5000,
            b"[[{}]]",
            b"true",
            b"1.5",
            b'"\\ud800"',
        ]
    )
    if quoted:
        place = data.draw(st.sampled_from(quoted)) + 3
        check(name, body[:place] + data.draw(value) + b', "x": ' + body[place:])


PIECES = [b"{", b'{"a":', b"[", b"[{},", b"1", b"\0", b" ", b"\xff", b"a=1&", b"a[]=1&"]
PIECES += [b"a[", b"=", b"&", b'"\\', b'{"items":[', b'{"main_cdr":', b'{"data":', b"%"]


@every_adapter
@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_100_kb_of_anything_are_read_or_kept(name, beginning, piece):
    check(name, beginning + piece * (SIZE // len(piece)))


@every_adapter
def test_depth_up_to_what_can_be_decoded_is_read_or_kept(name):
    for body in SAMPLES[name]:
        for depth in (14, 100, 900, 960, 980, 990, 995):
            nested = b'{"deep": ' + b"[" * depth + b"]" * depth + b","
            check(name, body.replace(b"{", nested))


@every_adapter
def test_no_more_records_are_looked_at_than_a_request_may_bring(name, monkeypatch):
    seen: list[object] = []
    refuse = json_items.undecodable

    def counted(bad: BadCdr, body: bytes) -> Undecodable:
        seen.append(bad)
        return refuse(bad, body)

    monkeypatch.setattr(json_items, "undecodable", counted)

    ADAPTERS[name].decode(b"[" + b"{}," * 33_000 + b"{}]", rules=RULES)

    assert len(seen) == 1
