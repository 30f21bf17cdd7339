"""What a folder holds that cannot be read is told of, and holds up nothing else."""

from __future__ import annotations

import datetime as dt
import os
from typing import TYPE_CHECKING

import pytest

from dispatcher.models import Source, StoredCdr
from dispatcher.pipeline import spool
from tests.pipeline.file_formats import line_formats  # noqa: F401  a fixture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dispatcher.models import Tenant

pytestmark = [pytest.mark.db, pytest.mark.usefixtures("line_formats")]
LATER = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)


@pytest.fixture
def source_of(acme: Tenant, tmp_path: Path) -> Callable[..., Source]:
    """source_of(folder beneath tmp_path, **settings)."""

    def make(folder: str = "", **settings: str) -> Source:
        settings = {"folder": str(tmp_path / folder), **settings}
        settings.setdefault("file_format", "test-lines")
        return Source.objects.create(tenant=acme, name="pbx", pbx="test", **settings)

    return make


def look(source: Source) -> spool.Looked:
    source.refresh_from_db()
    looked = spool.look(source, now=LATER)
    source.refresh_from_db()
    return looked


def taken() -> set[str]:
    return set(StoredCdr.objects.values_list("uid", flat=True))


def test_a_missing_folder_is_trouble_until_it_is_there(source_of, tmp_path):
    source = source_of("cdr")
    assert look(source) == ({}, 0, False)
    assert source.trouble == f"{tmp_path / 'cdr'}: No such file or directory"
    assert source.trouble_at == LATER

    (tmp_path / "cdr").mkdir()
    look(source)

    assert (source.trouble, source.trouble_at) == ("", None)


def test_an_unknown_format_is_trouble(source_of):
    source = source_of(file_format="mp3")

    look(source)

    assert source.trouble == 'there is no file format "mp3"'


def test_a_relative_folder_is_trouble(source_of):
    source = source_of()
    Source.objects.update(folder="cdr")

    look(source)

    assert source.trouble == "cdr: it is not an absolute path"


def test_a_file_that_cannot_be_opened_holds_up_no_other(source_of, tmp_path):
    source = source_of()
    (tmp_path / "a.csv").write_text("a\n")
    (tmp_path / "b.csv").write_text("b\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", _refusing("a.csv"))
        look(source)
    assert taken() == {"b"}
    assert source.trouble == f"{tmp_path / 'a.csv'}: Permission denied"

    look(source)

    assert taken() == {"a", "b"}
    assert source.trouble == ""


def _refusing(name: str) -> Callable[..., int]:
    opened = os.open

    def refuse(path: Path, *arguments: int) -> int:
        if path.name == name:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments)

    return refuse


def test_neither_links_nor_pipes_are_followed(source_of, tmp_path):
    (tmp_path / "secret").write_text("secret\n")
    folder = tmp_path / "cdr"
    folder.mkdir()
    (folder / "link.csv").symlink_to(tmp_path / "secret")
    os.mkfifo(folder / "pipe.csv")

    assert look(source_of("cdr")) == ({}, 0, False)
    assert taken() == set()


def test_a_pattern_chooses_files(source_of, tmp_path):
    for name in ("Master.csv", "Master.csv.1", "accounts.csv", ".Master.csv.swp"):
        (tmp_path / name).write_text(f"{name}\n")

    look(source_of("Master.csv*"))

    assert taken() == {"Master.csv", "Master.csv.1"}


def test_a_single_file_may_be_named(source_of, tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(f"{name}\n")

    look(source_of("a.csv"))

    assert taken() == {"a.csv"}


def test_a_name_of_any_bytes_is_read(source_of, tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.csv")).write_text("a\n")

    source = source_of()

    looks = [look(source).records for _ in range(2)]

    assert (taken(), looks) == ({"a"}, [1, 0])
