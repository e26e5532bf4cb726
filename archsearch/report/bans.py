"""Which candidates stand against what persons banned: marked, and never taken away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from archsearch.problem.space import SearchSpace
from archsearch.proposers.memory import Wishes
from archsearch.proposers.obeying import violations
from archsearch.study.proposals import Proposal
from archsearch.study.record import Ban, Pin, Release, WishedLine
from archsearch.study.steering import Steering

if TYPE_CHECKING:
    from archsearch.study.store import Study


def bans_of(wishes: Sequence[WishedLine]) -> dict[str, str]:
    """The names that are banned now, each with the person who banned it last."""
    found: dict[str, str] = {}
    for line in wishes:
        if isinstance(line.wish, Ban | Pin | Release):
            found.pop(line.wish.name, None)
        if isinstance(line.wish, Ban):
            found[line.wish.name] = line.by
    return found


def banned_by(source: str, space: SearchSpace, bans: Mapping[str, str]) -> tuple[str, ...]:
    """The persons who banned something that a candidate uses, each once."""
    broken = [by for name, by in bans.items() if violations(source, space, Wishes(bans=(name,)))]
    return tuple(dict.fromkeys(broken))


def marks_of(study: Study, space: SearchSpace | None = None, numbers: frozenset[int] | None = None) -> dict[int, str]:
    """Number -> `banned by NAME`, for every evaluated candidate that breaks a ban; the baselines are exempt.

    Args:
        study: the run.
        space: of the run, for those who have it at hand; it is read only if anything is banned.
        numbers: those that are asked for; None for all.
    """
    bans = bans_of(Steering(study).wishes())
    if not bans:
        return {}
    known = space if space is not None else study.problem().space
    exempt = {item.number for item in study.baselines().values()}
    asked = numbers if numbers is not None else {item.number for item in study.evaluations()}
    return marks(sorted(asked - exempt), study.proposals(), known, bans)


def marks(
    numbers: Iterable[int], proposals: Mapping[int, Proposal], space: SearchSpace, bans: Mapping[str, str]
) -> dict[int, str]:
    """Number -> `banned by NAME`, for those of some candidates that break a ban."""
    found = {number: banned_by(proposals[number].candidate.source, space, bans) for number in numbers}
    return {number: f"banned by {' and '.join(names)}" for number, names in found.items() if names}
