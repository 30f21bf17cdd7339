"""The two services, faked over real HTTP, for this folder and the pipeline's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.summaries.fake_services import FakeServices

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def services() -> Iterator[FakeServices]:
    """Both services; they answer as if all were well unless told otherwise."""
    running = FakeServices()
    yield running
    running.close()
