"""The proposer that needs no LLM: a few simple things first, then what past evaluations speak for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.genes import from_parameters
from archsearch.candidate.outcome import Evaluation
from archsearch.candidate.ranking import rank, standing
from archsearch.errors import RequestError
from archsearch.problem.space import SearchSpace
from archsearch.proposers.additive import AdditiveModel
from archsearch.proposers.base import Proposer
from archsearch.proposers.baselines import candidate_of
from archsearch.proposers.moves import Genes, GeneSpace, Tried
from archsearch.proposers.systematic import systematic
from archsearch.proposers.tpe import samples

TRIES = 20
PARENTS = 4
CYCLE = (*3 * ("walk",), "sample", *3 * ("walk",), "crossover", *3 * ("walk",), "neighbour")
"""Where the next genomes come from, in turn. On made-up objectives with and without interactions, walks come closest
to the best in 40 evaluations; the others see to it that a wrong additive model does no lasting harm."""

Idea = tuple[Genes, tuple[str, ...]]
"""A genome, and the ids of the candidates that it was made from."""


class GrammarProposer(Proposer):
    """Proposes genomes of a closed space; never the same source twice.

    First what `systematic` lists: the baselines, each white-box change by itself, each slot by itself. Then, in turn,
    a walk from one of the best along the moves that promise most, a sample of the tree-structured Parzen estimator, a
    child of two of the best, and any neighbour of one of the best. When those find nothing new, all genomes are gone
    through in order, so None means that the space is exhausted.

    Args:
        space: the search space.
        seed: draws whatever is drawn, together with the number of the proposal.
    """

    def __init__(self, space: SearchSpace, seed: int) -> None:
        if space.is_static:
            raise RequestError(
                "The grammar proposes models of processes in time, and this problem is static.",
                "Give it a time column, or fit a candidate of your own with a method output(self, x, u).",
            )
        self._space = space
        self._seed = seed
        self._genes = GeneSpace(space)
        self._systematic = list(systematic(space, self._genes))
        self._rendered: dict[tuple[object, ...], Candidate] = {}

    def propose(self, history: Sequence[Evaluation], taken: frozenset[str], index: int) -> Candidate | None:
        """The next candidate; see `Proposer`."""
        generator = np.random.default_rng([self._seed, index])
        tried = self._tried(history)
        for genes, parents in self._ideas(tried, generator, index):
            candidate = self._candidate(genes)
            if candidate.id not in taken and not self._stands_still(genes):
                return replace(candidate, parents=parents)
        return None

    def _stands_still(self, genes: Genes) -> bool:
        """Whether nothing is left that moves any state: no change is told beside every run anyway."""
        genome = from_parameters(genes, self._space)
        kept = genome.physics and any(genome.terms.get(term.name) != "dropped" for term in self._space.terms)
        return not (kept or genome.added or genome.slots or genome.everywhere)

    def _ideas(self, tried: Sequence[Tried], generator: np.random.Generator, index: int) -> Iterator[Idea]:
        """Genomes with their parents, the most wanted first; the last source names every genome there is."""
        for genes in self._systematic:
            yield genes, ()
        best = [item for item in tried if item.fits][:PARENTS]
        if best:
            for turn in range(len(CYCLE)):
                yield from self._learned(CYCLE[(index + turn) % len(CYCLE)], best, tried, generator)
        for _ in range(TRIES):
            yield self._genes.uniform(generator), ()
        for item in best:
            yield from ((genes, (item.candidate,)) for genes in self._genes.neighbours(item.genes))
        yield from ((genes, ()) for genes in self._genes.all())

    def _learned(
        self, source: str, best: Sequence[Tried], tried: Sequence[Tried], generator: np.random.Generator
    ) -> Iterator[Idea]:
        """A few genomes from one source."""
        if source == "sample":
            found = samples(self._genes, tried, int(generator.integers(2**31)))
            return ((genes, ()) for genes in islice(found, TRIES))
        if source == "walk":
            model = AdditiveModel(self._genes, tried)
            parents = (best[_early(len(best), generator)] for _ in range(TRIES))
            return ((model.walk(parent.genes, generator), (parent.candidate,)) for parent in parents)
        move = self._neighbour if source == "neighbour" else self._child
        return (move(best, generator) for _ in range(TRIES))

    def _neighbour(self, best: Sequence[Tried], generator: np.random.Generator) -> Idea:
        parent = best[_early(len(best), generator)]
        options = self._genes.neighbours(parent.genes)
        return options[int(generator.integers(len(options)))], (parent.candidate,)

    def _child(self, best: Sequence[Tried], generator: np.random.Generator) -> Idea:
        """A child of two of the best; of the only one there is, if there is only one."""
        one, other = (best[int(place)] for place in generator.permutation(max(2, len(best)))[:2] % len(best))
        return self._genes.crossed(one.genes, other.genes, generator), (one.candidate, other.candidate)

    def _candidate(self, genes: Genes) -> Candidate:
        key = tuple(genes.items())
        if key not in self._rendered:
            self._rendered[key] = candidate_of(from_parameters(genes, self._space), self._space)
        return self._rendered[key]

    def _tried(self, history: Sequence[Evaluation]) -> list[Tried]:
        """What was tried within this space, best first."""
        return [
            Tried(dict(item.genome), standing(item), item.candidate)
            for item in rank(history)
            if item.genome is not None and self._genes.holds(item.genome)
        ]


def _early(length: int, generator: np.random.Generator) -> int:
    """A place in a list, each half as likely as the one before it."""
    return min(int(generator.geometric(0.5)) - 1, length - 1)
