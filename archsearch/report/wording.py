"""Numbers and lists in words."""

from __future__ import annotations

from collections.abc import Sequence

MUCH = 0.95
"""Beyond this reduction of the error a factor says more than per cent."""


def percent(fraction: float) -> str:
    """A fraction in per cent, without decimals unless it is close to 0 or to 1; the space does not break."""
    if 0.999 < fraction < 1:
        return "more than 99.9\u00a0%"
    close = 0 < abs(fraction) < 0.01 or 0.99 < abs(fraction) < 1
    return f"{fraction * 100:.{1 if close else 0}f}\u00a0%".replace("-", "\u2212")


def listed(parts: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 candidate`, `3 candidates`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def sentence(text: str) -> str:
    """The text with a capital at its beginning and a full stop at its end."""
    text = text.strip()
    return text if not text else text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")


def numbers(found: Sequence[int]) -> str:
    """`number 3`, `numbers 3, 4 and 7`."""
    return f"{'number' if len(found) == 1 else 'numbers'} {listed([str(number) for number in found])}"
