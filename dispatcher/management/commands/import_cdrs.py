"""`cdrhook import_cdrs FILE --tenant ID --format NAME`: takes in the calls of a file."""

from __future__ import annotations

import gc
import gzip
import logging
import sys
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

from django.utils import timezone

from dispatcher import tasks
from dispatcher.adapters.formats import FORMATS, file_format
from dispatcher.management.output import (
    Answer,
    AnsweringCommand,
    Failure,
    tenant_called,
)
from dispatcher.management.progress import Progress
from dispatcher.models import Source
from dispatcher.pipeline.accept import StorageUnavailable
from dispatcher.pipeline.chunks import Reading, TooLargeError
from dispatcher.pipeline.importing import Imported, import_stream
from dispatcher.pipeline.ingest import Origin, rules_of
from dispatcher.values import FieldError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.core.management.base import CommandParser

    from dispatcher.models import Tenant

STANDARD_INPUT: Final = "-"
# New objects that may be cycles, before the collector looks for some.
COLLECT_AT: Final = 200_000
AGAIN: Final = "Import it again: what is stored already counts as a duplicate."


class _Opened(NamedTuple):
    """What is imported: its bytes, the file that they come from, and that one's size."""

    stream: Any
    file: BinaryIO | None
    size: int | None

    @property
    def position(self) -> int:
        """How far the file has been read, of its size."""
        return self.file.tell() if self.file is not None else 0


class Command(AnsweringCommand):
    """Answers {"accepted", "duplicates", "rejected"}; rejected are kept in quarantine."""

    help = "Takes in the calls of a file that a PBX wrote; each call once."

    def arguments(self, parser: CommandParser) -> None:
        """Adds FILE, --tenant, --format and --source."""
        parser.add_argument(
            "file", metavar="FILE", help="- for standard input; .gz is uncompressed"
        )
        parser.add_argument("--tenant", required=True, metavar="EXTERNAL_ID")
        parser.add_argument("--format", required=True, metavar="NAME")
        parser.add_argument(
            "--source", metavar="NAME", help="by whose settings it is understood"
        )

    def answer(self, **options: Any) -> Answer:
        """Imports it, and wakes webhooks up as it goes."""
        reading, done = _reading(options), Imported()
        with _warnings_only(), _left_in_peace(), _opened(options["file"]) as opened:
            _import(opened, reading, done, quiet=options["json"])
        return Answer(_counts(done), _told(done))


@contextmanager
def _warnings_only() -> Iterator[None]:
    """A line for each of a thousand transactions would hide the progress."""
    logger = logging.getLogger("dispatcher")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def _left_in_peace() -> Iterator[None]:
    """Has the collector look for something to do less often.

    What has been loaded stays, also in the processes that it is forked into, and records
    are no cycles: the collector looked at them for a fifth of the time.
    """
    gc.collect()
    gc.freeze()
    before = gc.get_threshold()
    gc.set_threshold(COLLECT_AT)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _import(opened: _Opened, reading: Reading, done: Imported, *, quiet: bool) -> None:
    """Raises Failure, with how far it came."""
    progress = Progress(opened.size)
    importing = import_stream(opened.stream, reading, done, clock=timezone.now)
    try:
        with closing(importing):
            for _ in importing:
                tasks.wake_up(done.wake)
                if not quiet or sys.stderr.isatty():
                    progress.show(opened.position, done.records, done.rejected)
    except (KeyboardInterrupt, StorageUnavailable, *_UNREADABLE) as error:
        progress.clear()
        raise Failure(_why(error, done)) from None
    progress.clear()


def _reading(options: dict[str, Any]) -> Reading:
    tenant = tenant_called(options["tenant"])
    source = _source(tenant, options["source"])
    rules = rules_of(source, tenant)
    known = file_format(options["format"], rules)
    if known is None:
        there_are = ", ".join(sorted(FORMATS))
        reason = f'there is no format "{options["format"]}"; there are: {there_are}'
        raise Failure("Arguments are at fault.", FieldError("format", reason))
    return Reading(tenant, known, rules, Origin(known.pbx, source))


def _source(tenant: Tenant, name: str | None) -> Source | None:
    if name is None:
        return None
    source = Source.objects.filter(tenant=tenant, name=name).first()
    if source is None:
        reason = f'the tenant has no source "{name}"'
        raise Failure("Arguments are at fault.", FieldError("source", reason))
    return source


@contextmanager
def _opened(name: str) -> Iterator[_Opened]:
    if name == STANDARD_INPUT:
        yield _Opened(sys.stdin.buffer, None, None)
        return
    path = Path(name)
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if path.suffix != ".gz":
                yield _Opened(file, file, size)
                return
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield _Opened(unpacked, file, size)
    except OSError as error:
        reason = f"{name} cannot be read: {error.strerror or error}"
        raise Failure("Arguments are at fault.", FieldError("file", reason)) from None


# How it ended -------------------------------------------------------------------------

# EOFError: an archive that was cut off.
_UNREADABLE: Final = (TooLargeError, EOFError, OSError)


def _why(error: BaseException, done: Imported) -> str:
    if isinstance(error, KeyboardInterrupt):
        reason = "Interrupted."
    elif isinstance(error, StorageUnavailable):
        reason = f"The database takes nothing: {error}."
    else:
        reason = f"The file cannot be read on: {error}."
    return f"{reason} Until then: {_told(done)} {AGAIN}"


def _counts(done: Imported) -> dict[str, int]:
    return {
        "accepted": done.accepted,
        "duplicates": done.duplicates,
        "rejected": done.rejected,
    }


def _told(done: Imported) -> str:
    kept = " (kept in quarantine)" if done.rejected else ""
    return (
        f"{done.accepted} accepted, {done.duplicates} duplicates,"
        f" {done.rejected} rejected{kept}."
    )
