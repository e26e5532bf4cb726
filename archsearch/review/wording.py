"""Words of a card."""

from __future__ import annotations

from collections.abc import Sequence


def listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


def four(value: float | None) -> str:
    """A number with four significant digits; a dash for none."""
    return "-" if value is None else f"{value:.4g}"
