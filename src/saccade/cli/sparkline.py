"""Values over time as one line of characters."""

from __future__ import annotations

from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇█"
ASCII_BARS = "_.:-=+*#"


def bars_for(encoding: str | None) -> str:
    """Characters from low to high that an output with this encoding can show."""
    try:
        BARS.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII_BARS
    return BARS


def in_columns(values: Sequence[float | None], per_column: int) -> list[float | None]:
    """Means of so many values each, of those that are known; None where none of them is."""
    parts = [values[i : i + per_column] for i in range(0, len(values), per_column)]
    known = [[value for value in part if value is not None] for part in parts]
    return [sum(part) / len(part) if part else None for part in known]


def sparkline(values: Sequence[float | None], low: float, high: float, bars: str = BARS) -> str:
    """One character per value, a blank where it is None.

    Args:
        values: What to show.
        low, high: What the lowest and the highest character stand for; values beyond are drawn as these.
            Where the two are one, it is the highest.
        bars: Characters from low to high.

    Examples:
        >>> sparkline([0.0, 0.5, None, 1.0], 0, 1, ASCII_BARS)
        '_= #'
    """
    top = len(bars) - 1
    per_unit = len(bars) / (high - low) if high > low else 0.0

    def bar(value: float) -> str:
        return bars[top if value >= high else min(max(int((value - low) * per_unit), 0), top)]

    return "".join(" " if value is None else bar(value) for value in values)
