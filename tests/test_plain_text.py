"""What a stranger wrote is shown letter by letter, and steers nothing."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsearch.plain_text import one_line, printable

SEEN = "growth-rate ≈ 0.5 µmol·L⁻¹ (Größe, 速度, скорость, سرعة, e\u0301)"


def test_what_can_be_seen_stays_as_it_is() -> None:
    assert printable(f"{SEEN}\n\t{SEEN}") == f"{SEEN}\n\t{SEEN}"
    assert one_line(SEEN, 200) == SEEN


@pytest.mark.parametrize(
    "name",
    [
        "ESCAPE",
        "ALERT",
        "CARRIAGE RETURN",
        "RIGHT-TO-LEFT OVERRIDE",
        "ZERO WIDTH SPACE",
        "TAG LATIN SMALL LETTER A",
        "VARIATION SELECTOR-16",
        "VARIATION SELECTOR-17",
        "COMBINING GRAPHEME JOINER",
        "HANGUL FILLER",
        "HALFWIDTH HANGUL FILLER",
        "HANGUL CHOSEONG FILLER",
        "BRAILLE PATTERN BLANK",
        "MONGOLIAN FREE VARIATION SELECTOR ONE",
        "LINE SEPARATOR",
    ],
)
def test_what_cannot_be_seen_or_steers_is_marked(name: str) -> None:
    letter = unicodedata.lookup(name)
    assert printable(f"a{letter}b") == "a\N{REPLACEMENT CHARACTER}b"


def test_half_a_surrogate_pair_is_no_letter() -> None:
    assert printable("a\ud800b").encode() == "a\N{REPLACEMENT CHARACTER}b".encode()


@given(st.text(st.characters() | st.sampled_from("\r\n\t\x1b\x85\u2028\u3164\U000e0100 ")))
def test_a_line_is_one_and_no_longer_than_it_may_be(text: str) -> None:
    found = one_line(text, 20)
    assert len(found) <= 20
    assert len(found.splitlines()) <= 1
    assert found.isprintable()
    assert printable(found) == found
