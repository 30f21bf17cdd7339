"""The files of a source's folder are taken in, as far as they go, each record once."""

from __future__ import annotations

import datetime as dt
import gzip
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from dispatcher.models import FilePlace, QuarantinedRecord, Source, StoredCdr
from dispatcher.pipeline import accept as accepting
from dispatcher.pipeline import chunks, spool
from dispatcher.pipeline.accept import StorageUnavailable
from tests.pipeline.file_formats import line_formats  # noqa: F401  a fixture

if TYPE_CHECKING:
    from pathlib import Path

    from dispatcher.models import Tenant

pytestmark = [pytest.mark.db, pytest.mark.usefixtures("line_formats")]
# Long after what tests write.
LATER = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
NEXT_WEEK = LATER + dt.timedelta(days=7)


@pytest.fixture
def source(acme: Tenant, tmp_path: Path) -> Source:
    """A source of acme whose folder holds a uid a line."""
    return Source.objects.create(
        tenant=acme,
        name="pbx",
        pbx="test",
        folder=str(tmp_path),
        file_format="test-lines",
    )


def look(source: Source, **given: Any) -> spool.Looked:
    return spool.look(Source.objects.get(pk=source.pk), **{"now": LATER, **given})


def taken() -> list[str]:
    return sorted(StoredCdr.objects.values_list("uid", flat=True))


def duplicates() -> int:
    return sum(FilePlace.objects.values_list("duplicates", flat=True))


def test_what_is_in_the_folder_is_taken_in(source, webhook_of, tmp_path):
    webhook = webhook_of(source.tenant)
    (tmp_path / "a.csv").write_text("a\nb\n\n!\n")

    looked = look(source)

    assert looked == ({webhook.pk: "fast"}, 3, False)
    assert taken() == ["a", "b"]
    assert StoredCdr.objects.get(uid="a").raw.body == b"a\n"
    assert StoredCdr.objects.get(uid="a").raw.source_id == source.pk
    assert bytes(QuarantinedRecord.objects.get(from_source=source).body) == b"!\n"
    place = FilePlace.objects.get()
    assert (place.offset, place.accepted, place.rejected) == (7, 2, 1)


def test_what_is_added_is_taken_in_once(source, tmp_path):
    file = tmp_path / "a.csv"
    seen: spool.Seen = {}
    for uid in "abc":
        with file.open("a") as out:
            out.write(f"{uid}\n")
        assert look(source, seen=seen).records == 1

    assert look(source, seen=seen) == look(source) == ({}, 0, False)
    assert (taken(), duplicates()) == (["a", "b", "c"], 0)


def test_half_a_line_waits_for_its_other_half(source, tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("a\nb")
    assert look(source).records == 1

    file.write_text("a\nbb\n")
    look(source)

    assert taken() == ["a", "bb"]


def test_half_a_line_of_a_file_that_is_left_alone_is_a_record(source, tmp_path):
    (tmp_path / "a.csv").write_text("a\nb")

    look(source, now=NEXT_WEEK)

    assert taken() == ["a", "b"]


def test_a_file_that_is_renamed_is_read_to_its_end_and_the_new_one_from_its_start(
    source, tmp_path
):
    file = tmp_path / "Master.csv"
    file.write_text("a\nb\n")
    look(source)
    with file.open("a") as out:
        out.write("c\nd")
    file.rename(tmp_path / "Master.csv.1")
    file.write_text("e\nf\ng\nh\n")

    look(source)

    assert (taken(), duplicates()) == (list("abcdefgh"), 0)


def test_a_file_that_is_copied_and_truncated_is_told_from_its_copy(source, tmp_path):
    file = tmp_path / "Master.csv"
    file.write_text("a\nb\n")
    look(source)
    with file.open("a") as out:
        out.write("c\n")
    shutil.copy2(file, tmp_path / "Master.csv.1")
    look(source)
    os.truncate(file, 0)
    look(source)
    with file.open("a") as out:
        out.write("d\ne\nf\ng\n")

    look(source)

    assert (taken(), duplicates()) == (list("abcdefg"), 1)


def test_a_file_that_is_compressed_later_is_known_again(source, tmp_path):
    file = tmp_path / "Master.csv.1"
    file.write_text("a\nb\n")
    look(source)
    packed = gzip.compress(b"a\nb\nc")
    (tmp_path / "Master.csv.1.gz").write_bytes(packed)
    file.unlink()

    look(source)

    assert (taken(), duplicates()) == (["a", "b", "c"], 0)


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz"])
def test_an_archive_is_read_once_it_is_complete(source, tmp_path, suffix):
    module = {"gz": "gzip", "bz2": "bz2", "xz": "lzma"}[suffix]
    data = pytest.importorskip(module).compress(b"a\nb\n")
    (tmp_path / f"old.{suffix}").write_bytes(data)

    assert look(source, now=dt.datetime.now(dt.UTC)).records == 0
    assert look(source).records == 2


def test_a_damaged_archive_gives_what_it_holds_and_is_told_of(source, tmp_path):
    whole = gzip.compress(b"a\n" * 10 + os.urandom(50).hex().encode() + b"\n")
    (tmp_path / "old.gz").write_bytes(whole[:-20])
    (tmp_path / "other.csv").write_text("b\n")

    look(source)

    assert "b" in taken()
    source.refresh_from_db()
    assert "old.gz" in source.trouble


def test_a_file_that_is_rewritten_with_other_calls_is_a_new_one(source, tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("a\nb\n")
    look(source)

    file.write_text("c\nd\ne\n")
    look(source)

    assert (taken(), duplicates()) == (list("abcde"), 0)


def test_a_file_that_is_replaced_by_a_longer_one_goes_on(source, tmp_path):
    """As rsync does, which fills a folder from another machine."""
    file = tmp_path / "a.csv"
    file.write_text("a\nb\n")
    look(source)
    (tmp_path / ".a.csv.tmp").write_text("a\nb\nc\n")
    (tmp_path / ".a.csv.tmp").replace(file)

    look(source)

    assert (taken(), duplicates()) == (["a", "b", "c"], 0)


def test_a_file_that_is_again_what_it_was_goes_on(source, tmp_path):
    file = tmp_path / "a.csv"
    for text in ("a\nb\n", "c\n", "a\n", "a\nb\n", "a\nb\nd\n"):
        file.write_text(text)
        look(source)

    assert taken() == ["a", "b", "c", "d"]


def test_files_that_begin_alike_are_two(source, tmp_path):
    for name in ("x", "y"):
        (tmp_path / f"{name}.csv").write_text(f"head\n{name}1\n")
    look(source)
    for name in ("x", "y"):
        with (tmp_path / f"{name}.csv").open("a") as out:
            out.write(f"{name}2\n")

    look(source)

    assert taken() == ["head", "x1", "x2", "y1", "y2"]


def test_what_the_head_says_holds_for_what_is_added(source, tmp_path):
    Source.objects.update(file_format="test-headed")
    file = tmp_path / "a.csv"
    for text in ("p", "p-\n", "p-\na\n", "p-\na\nb\n"):
        file.write_text(text)
        look(source)

    assert taken() == ["p-a", "p-b"]


def test_a_file_of_one_call_is_read_when_it_is_left_alone(source, tmp_path):
    Source.objects.update(file_format="test-document")
    (tmp_path / "a.json").write_text("a")

    assert look(source, now=dt.datetime.now(dt.UTC)).records == 0
    assert look(source).records == 1
    assert look(source).records == 0
    place = FilePlace.objects.get()
    assert (place.finished_at, place.duplicates) == (LATER, 0)


def test_a_file_of_one_call_that_is_written_anew_is_read_anew(source, tmp_path):
    Source.objects.update(file_format="test-document")
    file = tmp_path / "a.json"
    file.write_text("a")
    look(source)

    file.write_text("b\nc")
    look(source)

    assert taken() == ["a", "b", "c"]


def test_a_document_that_is_too_large_is_told_of_and_not_read(
    source, tmp_path, monkeypatch
):
    Source.objects.update(file_format="test-document")
    monkeypatch.setattr(spool, "MAX_DOCUMENT_BYTES", 10)
    (tmp_path / "a.json").write_text("a" * 11)
    seen: spool.Seen = {}

    for _ in range(2):
        look(source, seen=seen)
        source.refresh_from_db()
        assert "a.json: one record of it is larger than 64 MB" in source.trouble


def test_a_look_reads_as_much_as_it_may(source, tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "MOST_RECORDS_ELSEWHERE", 10)
    monkeypatch.setitem(chunks.MOST_RECORDS, "sqlite", 10)
    (tmp_path / "a.csv").write_text("".join(f"{n}\n" for n in range(45)))
    seen: spool.Seen = {}

    looks = [look(source, budget=1, seen=seen) for _ in range(6)]

    assert [one.records for one in looks] == [9, 9, 9, 9, 9, 0]
    assert [one.more for one in looks] == [True, True, True, True, False, False]
    assert (len(taken()), duplicates()) == (45, 0)


def test_a_line_without_an_end_is_kept_in_quarantine(source, tmp_path):
    (tmp_path / "a.csv").write_bytes(b"x" * 1_000_000 + b"\na\n")

    look(source, budget=10_000_000)

    assert taken() == ["a"]
    kept = sum(len(one.body) for one in QuarantinedRecord.objects.all())
    repeated = QuarantinedRecord.objects.get(times_seen__gt=1)
    assert kept + (repeated.times_seen - 1) * len(repeated.body) == 1_000_001


def test_where_nothing_can_be_stored_nothing_is_passed(source, tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("a\n")
    monkeypatch.setattr(accepting, "write_owed", _fails)
    seen: spool.Seen = {}
    with pytest.raises(StorageUnavailable):
        look(source, seen=seen)
    monkeypatch.undo()
    assert (taken(), FilePlace.objects.count()) == ([], 0)


def _fails(*_: object, **__: object) -> None:
    from django.db import OperationalError

    raise OperationalError("gone")
