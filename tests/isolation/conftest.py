"""For thousands of requests, nearly all of them refused."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def nothing_is_logged() -> Iterator[None]:
    """A line for each of them took a twentieth of the time."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)
