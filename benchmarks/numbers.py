"""How figures are written: as many digits as mean something."""

from __future__ import annotations

import math


def number(value: float) -> str:
    """1,234 or 12.3 or 0.0123: whole above a thousand, else three digits that count."""
    if not math.isfinite(value):
        return str(value)
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{float(f'{value:.3g}'):,.9f}".rstrip("0").rstrip(".")
