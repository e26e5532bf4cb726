"""Whether the LLM did better than the grammar at equal numbers of evaluations, or that a run cannot tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archsearch.candidate.outcome import Evaluation
from archsearch.candidate.ranking import as_good_as, rank
from archsearch.report.leaderboard import baselines_of, four

if TYPE_CHECKING:
    from archsearch.study.store import Study

LLM, GRAMMAR = "llm", "grammar"
ONE_SEARCH = "One search of either says nothing of luck: other seeds may turn it round."


def about_proposers(study: Study, beside: Sequence[Study] = ()) -> tuple[str, ...]:
    """The LLM against the grammar, in sentences; nothing if no LLM took part.

    Args:
        study: the run.
        beside: other runs of the same problem; the first one of the grammar alone is compared with, where this run
            has no proposals of the grammar of its own.
    """
    proposed = _proposed(study)
    llm = [item for item in proposed if item.author == LLM]
    if not llm:
        return ()
    grammar = [item for item in proposed if item.author == GRAMMAR]
    if grammar:
        shared = "They shared one search, so each could build on what the other found."
        return (*_compared(llm, grammar, "the grammar"), shared, ONE_SEARCH)
    for other in beside:
        alone = [item for item in _proposed(other) if item.author == GRAMMAR]
        if alone and other.settings.proposer == GRAMMAR:
            return (*_compared(llm, alone, f"the grammar in run {other.id}"), ONE_SEARCH)
    return (
        "Whether the LLM did better than the grammar this run cannot tell: the grammar proposed nothing beside the "
        "baselines. Search with --proposer grammar for as many evaluations, and report with --beside that run.",
    )


def _proposed(study: Study) -> list[Evaluation]:
    """What was evaluated beyond the baselines, in order."""
    baselines = {item.number for item in baselines_of(study).values()}
    return [item for item in study.evaluations() if item.number not in baselines]


def _compared(llm: Sequence[Evaluation], grammar: Sequence[Evaluation], name: str) -> tuple[str, ...]:
    """The best of the first evaluations of either, as many of one as of the other."""
    count = min(len(llm), len(grammar))
    mine, theirs = rank(llm[:count])[0], rank(grammar[:count])[0]
    told = (
        f"At equal numbers of evaluations, {count} each, the best of the LLM is number {mine.number} with an error of "
        f"{_error(mine)}, the best of {name} number {theirs.number} with {_error(theirs)}"
    )
    return (f"{told}: {_judged(mine, theirs)}",)


def _error(item: Evaluation) -> str:
    return four(item.error) if item.validation is not None else "nothing that fits"


def _judged(mine: Evaluation, theirs: Evaluation) -> str:
    if mine.validation is None and theirs.validation is None:
        return "neither found anything that fits."
    first, second = (mine, theirs) if mine.error <= theirs.error else (theirs, mine)
    if second.validation is not None and as_good_as(second, first):
        return "the held-out data cannot tell these two apart, so this run cannot tell which proposes better."
    return f"the {'LLM' if first is mine else 'grammar'} did better here."


def authors(evaluations: Sequence[Evaluation], refused: Sequence[str]) -> tuple[tuple[str, int, int, int, str], ...]:
    """Who proposed how much: author, evaluated, of these failed, refused, and the least error.

    Args:
        evaluations: of the run.
        refused: the author of every proposal that was refused.
    """
    names = sorted({item.author for item in evaluations} | set(refused))
    found = []
    for name in names:
        own = [item for item in evaluations if item.author == name]
        failed = sum(item.validation is None for item in own)
        least = min((item.error for item in own), default=float("inf"))
        found.append((name, len(own), failed, list(refused).count(name), four(least) if len(own) > failed else "-"))
    return tuple(found)
