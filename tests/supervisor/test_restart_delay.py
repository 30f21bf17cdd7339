"""How long a child that died is left alone."""

from __future__ import annotations

import pytest

from cdrhook.supervisor.process import next_delay


@pytest.mark.parametrize(
    ("previous", "lived", "expected"),
    [
        (0, 0.1, 0.2),
        (0.2, 0.1, 0.4),
        (6.4, 29.9, 10.0),
        (10.0, 0.0, 10.0),
        (10.0, 30.0, 0.2),
    ],
)
def test_it_doubles_to_ten_seconds_and_starts_anew_after_a_healthy_life(
    previous: float, lived: float, expected: float
) -> None:
    assert next_delay(previous, lived) == expected
