"""Values over time as the path of a line: every peak is in it, however many values there are."""

from __future__ import annotations

from collections.abc import Sequence

from saccade.evaluation.report.markup import decimal
from saccade.evaluation.report.scale import Scale


def line(values: Sequence[float | None], x: Scale, y: Scale, columns: int = 300) -> str:
    """The ``d`` of a path; a gap where a value is None.

    Args:
        values: The first is at 0 of ``x``, the second at 1.
        x, y: Axes; values beyond ``y`` are drawn at its end.
        columns: Of more values than this, those that share a column are drawn as one stroke from the lowest
            to the highest.
    """
    per_column = max(1, -(-len(values) // columns))
    path, gap = "", True
    for first in range(0, len(values), per_column):
        known = [(i, v) for i, v in enumerate(values[first : first + per_column], first) if v is not None]
        if not known:
            gap = True
            continue
        extremes = {min(known, key=lambda p: p[1]), max(known, key=lambda p: p[1])}
        for at, value in sorted(extremes):
            within = min(max(value, min(y.low, y.high)), y.high)
            path += f"{'M' if gap else 'L'}{decimal(x(at))} {decimal(y(within))}"
            gap = False
        if len(extremes) == 1 and _alone(values, first, per_column):
            path += "h0.01"  # a dot, by the round ends of the stroke
    return path


def _alone(values: Sequence[float | None], first: int, per_column: int) -> bool:
    """Whether nothing is drawn in the columns beside this one."""
    around = (
        *values[max(0, first - per_column) : first],
        *values[first + per_column : first + 2 * per_column],
    )
    return all(value is None for value in around)
