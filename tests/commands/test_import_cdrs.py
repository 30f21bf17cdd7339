"""import_cdrs: a file's calls are taken in, once, however often it is imported."""

from __future__ import annotations

import gzip
import io
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from dispatcher import tasks
from dispatcher.management.commands import import_cdrs
from dispatcher.models import QuarantinedRecord, Source, StoredCdr, Webhook
from dispatcher.pipeline import importing, ingest
from dispatcher.pipeline.accept import StorageUnavailable
from tests.pipeline.file_formats import line_formats  # noqa: F401  a fixture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from uuid import UUID

    from tests.commands.conftest import Ran

pytestmark = [
    pytest.mark.db,
    pytest.mark.django_db,
    pytest.mark.usefixtures("line_formats", "acme"),
]


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """The webhooks that were woken up."""
    ids: list[UUID] = []
    monkeypatch.setattr(tasks, "wake_up", ids.extend)
    return ids


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Two calls, and a line that is none."""
    file = tmp_path / "Master.csv"
    file.write_text("a\nb\n!\n")
    return file


@pytest.fixture
def imported(run: Callable[..., Ran], woken: list[UUID]) -> Callable[..., Ran]:
    """imported(FILE, *arguments) of acme, by line."""

    def make(file: object, *more: str, of: str = "acme") -> Ran:
        arguments = (f"--tenant={of}", "--format=test-lines", "--json", *more)
        return run("import_cdrs", str(file), *arguments)

    return make


def test_calls_are_taken_in_and_what_is_none_is_kept_with_its_reason(
    imported, file, acme, woken
):
    webhook = Webhook.objects.create(tenant=acme, url="https://receiver.example/")

    answer = imported(file).answer

    assert answer == {"accepted": 2, "duplicates": 0, "rejected": 1}
    assert woken == [webhook.pk]
    kept = QuarantinedRecord.objects.get()
    assert (bytes(kept.body), kept.reason) == (b"!\n", "is no call")


def test_to_import_again_gives_no_new_call(imported, file):
    imported(file)

    assert imported(file).answer == {"accepted": 0, "duplicates": 2, "rejected": 1}
    assert StoredCdr.objects.count() == 2


def test_an_archive_is_uncompressed(imported, tmp_path):
    archive = tmp_path / "Master.csv.gz"
    archive.write_bytes(gzip.compress(b"a\nb\nc"))

    assert imported(archive).answer["accepted"] == 3


def test_standard_input_is_read(imported, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\nb\n")))

    assert imported("-").answer["accepted"] == 2


def test_a_source_says_how_it_is_understood(imported, file, acme):
    source = Source.objects.create(tenant=acme, name="pbx", pbx="test")

    imported(file, "--source=pbx")

    assert set(source.records.values_list("cdr__uid", flat=True)) == {"a", "b"}


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("--tenant=nobody", "tenant"),
        ("--format=mp3", "format"),
        ("--source=x", "source"),
    ],
)
def test_what_is_not_there_is_told(imported, file, name, field):
    ran = imported(file, name)

    assert (ran.code, ran.fields) == (1, [field])


def test_an_unknown_format_lists_those_there_are(imported, file):
    assert "there are: " in imported(file, "--format=mp3").err
    assert (
        "test-document, test-headed, test-lines" in imported(file, "--format=mp3").err
    )


@pytest.mark.parametrize("name", ["missing.csv", "."])
def test_a_file_that_cannot_be_read_is_told(imported, tmp_path, name):
    ran = imported(tmp_path / name)

    assert (ran.code, ran.fields) == (1, ["file"])
    assert "cannot be read: " in ran.err


def test_a_damaged_archive_is_told_with_how_far_it_went(imported, tmp_path):
    archive = tmp_path / "a.gz"
    archive.write_bytes(gzip.compress(b"a\n")[:-9])

    ran = imported(archive)

    assert ran.code == 1
    assert "The file cannot be read on: " in ran.problem["detail"]
    assert "duplicate" in ran.problem["detail"]


def test_a_document_that_is_too_large_is_refused(imported, tmp_path, monkeypatch):
    monkeypatch.setattr("dispatcher.pipeline.chunks.MAX_DOCUMENT_BYTES", 10)
    (tmp_path / "a.json").write_text("a" * 11)

    ran = imported(tmp_path / "a.json", "--format=test-document")

    assert "larger than" in ran.problem["detail"]


def test_a_database_that_takes_nothing_is_waited_for(imported, file, monkeypatch):
    waits = _failing(monkeypatch, times=3)

    assert imported(file).answer == {"accepted": 2, "duplicates": 0, "rejected": 1}
    assert waits == [1, 2, 4]


def test_it_gives_up_after_a_while_and_tells_how_far_it_came(
    imported, file, monkeypatch
):
    waits = _failing(monkeypatch, times=1000)

    ran = imported(file)

    assert ran.code == 1
    assert "0 accepted" in ran.problem["detail"]
    assert 300 <= sum(waits) <= 330


def _failing(monkeypatch: pytest.MonkeyPatch, *, times: int) -> list[float]:
    """The next stores fail; returns what is waited."""
    waits: list[float] = []
    store = ingest.store

    def unsteady(*arguments: Any, **named: Any) -> Any:
        if len(waits) < times:
            raise StorageUnavailable("gone")
        return store(*arguments, **named)

    monkeypatch.setattr(importing, "store", unsteady)
    patient = partial(importing.import_stream, pause=waits.append)
    monkeypatch.setattr(import_cdrs, "import_stream", patient)
    return waits


def test_ctrl_c_tells_how_far_it_came(imported, tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("".join(f"{n}\n" for n in range(1500)))
    monkeypatch.setattr(tasks, "wake_up", _interrupt)

    ran = imported(tmp_path / "a.csv")

    assert ran.code == 1
    detail = ran.problem["detail"]
    assert detail.startswith("Interrupted. Until then: ")
    assert f"{StoredCdr.objects.count()} accepted" in detail
    assert "counts as a duplicate" in detail


def _interrupt(_: object) -> None:
    raise KeyboardInterrupt


def test_people_are_answered_in_words(run, file, woken):
    ran = run("import_cdrs", str(file), "--tenant=acme", "--format=test-lines")

    assert ran.out == ("2 accepted, 0 duplicates, 1 rejected (kept in quarantine).\n")
