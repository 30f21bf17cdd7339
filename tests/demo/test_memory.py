"""What the demo keeps between two starts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cdrhook.demo.memory import FILE_NAME, Kept, Memory

if TYPE_CHECKING:
    from pathlib import Path


def test_what_was_kept_is_there_again_for_its_owner_only(tmp_path: Path) -> None:
    webhooks = {"healthy": {"id": "1", "secret": "s", "token": "t"}}
    memory = Memory(styles={"batch": Kept({"demo": "t"}, webhooks)})
    memory.save(tmp_path)
    assert Memory.load(tmp_path) == memory
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_each_demo_has_a_password_of_its_own(tmp_path: Path) -> None:
    assert Memory.load(tmp_path).password != Memory.load(tmp_path).password


def test_what_the_demo_kept_when_it_had_one_style_is_used(tmp_path: Path) -> None:
    old = {"password": "p", "token": "t", "webhooks": {"healthy": {"id": "1"}}}
    (tmp_path / FILE_NAME).write_text(json.dumps(old))
    memory = Memory.load(tmp_path)
    assert memory.password == "p"
    webhooks = {"healthy": {"id": "1", "token": "t"}}
    assert memory.styles == {"envelope": Kept({"demo": "t"}, webhooks)}


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("{")
    with pytest.raises(ValueError, match=FILE_NAME):
        Memory.load(tmp_path)
