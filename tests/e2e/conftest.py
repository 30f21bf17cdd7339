"""One running stack and one receiver for all end-to-end tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.receiver import Receiver
from tests.e2e.stack import Stack, Tenant
from tests.summaries.fake_services import FakeServices

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def services() -> Iterator[FakeServices]:
    """What transcribes and summarises the calls of all end-to-end tests."""
    running = FakeServices()
    yield running
    running.close()


@pytest.fixture(scope="session")
def stack(database_server: None, services: FakeServices) -> Iterator[Stack]:
    """`cdrhook up`, ready."""
    running = Stack(
        CDRHOOK_TRANSCRIPTION_URL=services.transcription_url,
        CDRHOOK_SUMMARY_URL=services.summary_url,
    )
    yield running
    running.stop()


@pytest.fixture
def tenant(stack: Stack) -> Tenant:
    """A tenant of its own for each test."""
    return stack.tenant()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of its own for each test."""
    running = Receiver()
    yield running
    running.close()
