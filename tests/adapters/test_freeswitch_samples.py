"""Each recorded sample gives the records that are written down beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dispatcher.adapters.base import Read, Undecodable
from dispatcher.adapters.cdr_json import dump
from dispatcher.adapters.formats import FORMATS
from dispatcher.adapters.freeswitch import FreeSwitch

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = Path(__file__).parents[1] / "samples" / "freeswitch"
SAMPLES = sorted(FOLDER.glob("real_*"))


def items(path: Path) -> Sequence[Read | Undecodable]:
    body = path.read_bytes()
    if path.suffix != ".csv":
        return FreeSwitch().decode(body)
    csv = FORMATS["freeswitch-csv"]
    return csv.read(csv.cut(body, is_end=True)[0])


def told(item: Read | Undecodable) -> dict[str, Any]:
    if isinstance(item, Undecodable):
        return {"reason": item.reason}
    record: dict[str, Any] = json.loads(dump(item.cdr))
    return record


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_recorded_sample_gives_what_is_written_down_for_it(path):
    name = path.name.removeprefix("real_").removesuffix(".body")
    expected = json.loads((FOLDER / f"{name}.expected.json").read_text())

    assert [told(item) for item in items(path)] == expected
