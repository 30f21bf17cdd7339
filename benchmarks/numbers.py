"""How figures are written: as many digits as mean something."""

from __future__ import annotations

import math


def number(value: float) -> str:
    """1,234 or 12.3 or 0.0123: whole above a thousand, else three digits that count."""
    if not math.isfinite(value):
        return str(value)
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 100 and value == round(value):
        return f"{value:.0f}"
    digits = 2 - math.floor(math.log10(abs(value))) if value else 0
    text = f"{value:.{max(digits, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
