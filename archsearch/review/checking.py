"""What was checked of a proposal before a person sees it."""

from __future__ import annotations

from collections.abc import Iterator

from archsearch.candidate.check import check
from archsearch.problem.space import SearchSpace
from archsearch.proposers.memory import Wishes
from archsearch.proposers.obeying import known_names, misses, violations
from archsearch.review.card import CheckCard


def check_cards(source: str, space: SearchSpace, wishes: Wishes) -> tuple[CheckCard, ...]:
    """The static check, then bans and pins: what holds, and each thing that does not."""
    return (*_static(source, space), *_wishes(source, space, wishes))


def names_in(source: str, space: SearchSpace) -> tuple[str, ...]:
    """The terms and slots of the space that a source uses, in the order of the space."""
    return tuple(name for name in known_names(space) if violations(source, space, Wishes(bans=(name,))))


def _static(source: str, space: SearchSpace) -> Iterator[CheckCard]:
    findings = check(source, space)
    if not findings:
        yield CheckCard(sentence="The static check finds nothing wrong with the source.", passed=True)
    for finding in findings:
        yield CheckCard(sentence=f"Static check, {finding}", passed=False)


def _wishes(source: str, space: SearchSpace, wishes: Wishes) -> Iterator[CheckCard]:
    """One sentence for each ban and pin that counts now."""
    for name in wishes.bans:
        broken = violations(source, space, Wishes(bans=(name,)))
        yield from _wish(broken, f"It does without '{name}', which is banned.")
    for name in wishes.pins:
        yield from _wish(misses(name, source, space, wishes.pins), f"It uses '{name}', which is pinned.")


def _wish(broken: tuple[str, ...], kept: str) -> Iterator[CheckCard]:
    for sentence in broken:
        yield CheckCard(sentence=f"It {sentence}.", passed=False)
    if not broken:
        yield CheckCard(sentence=kept, passed=True)
