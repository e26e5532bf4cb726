"""A curve in one line of text."""

from __future__ import annotations

import math
from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int) -> str:
    """The logarithms of positive values as blocks, the lowest at the bottom; no more than `width` of them.

    What is not positive, an error of nothing, stands at the bottom too. Of more values than there is room for, the
    last of each stretch is shown, so that the last of all is where the curve ends.
    """
    if not values or width < 1:
        return ""
    count = min(len(values), width)
    shown = [values[(index + 1) * len(values) // count - 1] for index in range(count)]
    logs = [math.log(value) if value > 0 else -math.inf for value in shown]
    known = [value for value in logs if math.isfinite(value)]
    low, high = min(known, default=0.0), max(known, default=0.0)
    return "".join(BLOCKS[_height(value, low, high)] for value in logs)


def _height(value: float, low: float, high: float) -> int:
    if value <= low or high - low < 1e-12:
        return 0
    return min(len(BLOCKS) - 1, int((value - low) / (high - low) * len(BLOCKS)))
