"""Text of a stranger made safe to show: a person and an LLM see every letter of it, and nothing steers their screen."""

from __future__ import annotations

_IGNORABLE = (
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x061C, 0x061C),
    (0x115F, 0x1160),  # fillers of Hangul, as two more below
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),  # variation selectors, as some more below
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFF8),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
)
"""First and last of the characters that are not drawn: Default_Ignorable_Code_Point in DerivedCoreProperties.txt of
Unicode 14, which Python's tables do not hold. Some of them count as letters or marks."""
BLANK = "\N{BRAILLE PATTERN BLANK}"
"""Drawn as nothing as well, though Unicode files it under symbols."""
HIDDEN = frozenset(chr(code) for first, last in _IGNORABLE for code in range(first, last + 1)) | {BLANK}


def printable(text: str) -> str:
    """A text of several lines without control characters, which could rewrite a terminal, and invisible ones."""
    return "".join(c if c in "\n\t" or is_seen(c) else "\N{REPLACEMENT CHARACTER}" for c in text)


def one_line(text: str, most: int) -> str:
    """A text as one line of at most so many letters: it cannot begin another line in a table, a list or a prompt."""
    flat = " ".join(text.split())
    return printable(flat if len(flat) <= most else f"{flat[: most - 3]}...")


def is_seen(letter: str) -> bool:
    """Whether a character draws something, or is a space."""
    return letter.isprintable() and letter not in HIDDEN
