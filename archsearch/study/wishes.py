"""What persons want of a search, added up."""

from __future__ import annotations

from collections.abc import Iterable

from archsearch.proposers.memory import Wishes
from archsearch.study.record import Allow, Ban, Hint, Pin, Preference, Release, WishedLine


def wishes_at(lines: Iterable[WishedLine], number: int) -> Wishes:
    """What counts for a proposal: a later wish beats an earlier one about the same name or the same two candidates."""
    hints: list[str] = []
    names: dict[str, bool] = {}
    preferences: dict[frozenset[int], Preference] = {}
    for wish in (line.wish for line in lines if line.number <= number):
        match wish:
            case Hint():
                hints.append(wish.text)
            case Ban() | Pin():
                names.pop(wish.name, None)
                names[wish.name] = isinstance(wish, Pin)
            case Release():
                names.pop(wish.name, None)
            case Preference():
                pair = frozenset((wish.better, wish.worse))
                preferences.pop(pair, None)
                preferences[pair] = wish
    return Wishes(
        hints=tuple(dict.fromkeys(hints)),
        bans=tuple(name for name, pinned in names.items() if not pinned),
        pins=tuple(name for name, pinned in names.items() if pinned),
        preferences=tuple((wish.better, wish.worse) for wish in preferences.values()),
        reasons=tuple(wish.reason for wish in preferences.values()),
    )


def allowed(lines: Iterable[WishedLine]) -> frozenset[str]:
    """The kinds of proposals that need no person."""
    return frozenset(line.wish.like for line in lines if isinstance(line.wish, Allow))
