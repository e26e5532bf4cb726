"""The proposer that needs no LLM: a few simple things first, then what past evaluations speak for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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
from archsearch.proposers.baselines import baseline_candidates, candidate_of
from archsearch.proposers.memory import NOTHING, Memory, Wishes
from archsearch.proposers.moves import Genes, GeneSpace, Tried, default
from archsearch.proposers.systematic import systematic
from archsearch.proposers.taste import Taste, genes_read, liked, taste_of
from archsearch.proposers.tpe import samples

TRIES = 20
PARENTS = 4
CYCLE = (*3 * ("walk",), "sample", *3 * ("walk",), "crossover", *3 * ("walk",), "neighbour")
"""Where the next genomes come from, in turn. On made-up objectives with and without interactions, walks come closest
to the best in 40 evaluations; the others see to it that a wrong additive model does no lasting harm."""

Idea = tuple[Genes, tuple[str, ...]]
"""A genome, and the ids of the candidates that it was made from."""


@dataclass(frozen=True)
class _Learning:
    """What one proposal can build on.

    Attributes:
        allowed: what a person has left of the space.
        tried: what was tried, also outside of that, best first by error.
        parents: the best by error and taste, moved to where a person allows them.
        taste: of a person; None if they prefer nothing.
    """

    allowed: GeneSpace
    tried: Sequence[Tried]
    parents: Sequence[Tried]
    taste: Taste | None


class GrammarProposer(Proposer):
    """Proposes genomes of a closed space; never the same source twice.

    First what `systematic` lists: the baselines, each white-box change by itself, each slot by itself. From then on,
    whatever comes to be among the best is asked at once whether it needs its nets: the same physics without them is
    next. Else, in turn, a walk from one of the best along the moves that promise most, a sample of the tree-structured
    Parzen estimator, a child of two of the best, and any neighbour of one of the best. When those find nothing new, all
    genomes are gone through in order, so None means that the space is exhausted.

    What a person bans and pins holds for everything but the baselines; what was tried before it was said still teaches.
    What a person prefers, and refuses, is an objective beside the error (see `Taste`): every second proposal follows it
    from the moment on that it is said, even if the list is not through.

    Args:
        space: the search space.
        seed: draws whatever is drawn, together with the number of the proposal.
        memory: of the run: who proposed what, and what a person wants.
    """

    def __init__(self, space: SearchSpace, seed: int, memory: Memory = NOTHING) -> None:
        if space.is_static:
            raise RequestError(
                "The grammar proposes models of processes in time, and this problem is static.",
                "Give it a time column, or fit a candidate of your own with a method output(self, x, u).",
            )
        self._space = space
        self._seed = seed
        self._memory = memory
        self._genes = GeneSpace(space)
        self._baselines = frozenset(item.id for item in baseline_candidates(space).values())
        self._rendered: dict[tuple[object, ...], Candidate] = {}
        self._left: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[GeneSpace, list[Genes]]] = {}

    def propose(self, history: Sequence[Evaluation], taken: frozenset[str], index: int) -> Candidate | None:
        """The next candidate; see `Proposer`."""
        generator = np.random.default_rng([self._seed, index])
        wishes = self._memory.wishes(index)
        allowed, listed = self._restricted(wishes)
        learning = self._learning(history, wishes, allowed, index)
        for genes, parents in self._ideas(learning, listed, generator, index):
            candidate = self._candidate(genes)
            known = candidate.id in taken or self._stands_still(genes)
            if not known and (candidate.id in self._baselines or allowed.allows(genes)):
                return replace(candidate, parents=parents)
        return None

    def _restricted(self, wishes: Wishes) -> tuple[GeneSpace, list[Genes]]:
        """What bans and pins leave, and what is systematically tried of it."""
        key = wishes.bans, wishes.pins
        if key not in self._left:
            allowed = GeneSpace(self._space, wishes)
            self._left[key] = allowed, list(systematic(self._space, allowed))
        return self._left[key]

    def _learning(self, history: Sequence[Evaluation], wishes: Wishes, allowed: GeneSpace, index: int) -> _Learning:
        tried = self._tried(history)
        taste = self._taste(history, wishes, index)
        best = [] if allowed.is_empty else [item for item in liked(tried, taste) if item.fits][:PARENTS]
        parents = [replace(item, genes=allowed.nearest(item.genes)) for item in best]
        return _Learning(allowed, tried, parents, taste)

    def _taste(self, history: Sequence[Evaluation], wishes: Wishes, index: int) -> Taste | None:
        """What preferences and refusals say of the choices; a refusal prefers the parent to what was refused."""
        genes = {item.number: dict(item.genome) for item in history if item.genome is not None}
        unread = {number for pair in wishes.preferences for number in pair} - genes.keys()
        past = self._memory.before(index) if unread else ()
        genes |= {item.number: self._genes_of(item.candidate) for item in past if item.number in unread}
        pairs = [(genes.get(better, {}), genes.get(worse, {})) for better, worse in wishes.preferences]
        parents = {item.candidate: dict(item.genome) for item in history if item.genome is not None}
        for refused in self._memory.unwanted(index):
            kept = (parents[parent] for parent in refused.candidate.parents if parent in parents)
            pairs.append((next(kept, self._genes.walk(default)), self._genes_of(refused.candidate)))
        return taste_of([(better, worse) for better, worse in pairs if better and worse], self._genes)

    def _genes_of(self, candidate: Candidate) -> Genes:
        if candidate.genome is not None:
            return dict(candidate.genome)
        return genes_read(candidate.source, self._space, self._genes.values)

    def _stands_still(self, genes: Genes) -> bool:
        """Whether nothing is left that moves any state: no change is told beside every run anyway."""
        genome = from_parameters(genes, self._space)
        kept = genome.physics and any(genome.terms.get(term.name) != "dropped" for term in self._space.terms)
        return not (kept or genome.added or genome.slots or genome.everywhere)

    def _ideas(
        self, known: _Learning, listed: Sequence[Genes], generator: np.random.Generator, index: int
    ) -> Iterator[Idea]:
        """Genomes with their parents, the most wanted first; the last source names every genome there is."""
        first, allowed = len(self._baselines), known.allowed
        yield from ((genes, ()) for genes in listed[:first])
        if known.taste is not None and index % 2:
            yield from self._learned(known, generator, index)
        yield from ((genes, ()) for genes in listed[first:])
        if allowed.is_empty:
            return
        yield from ((parent.genes, (parent.candidate,)) for parent in known.parents)
        yield from ((allowed.without_nets(parent.genes), (parent.candidate,)) for parent in known.parents)
        yield from self._learned(known, generator, index)
        for _ in range(TRIES):
            yield allowed.uniform(generator), ()
        for item in known.parents:
            yield from ((genes, (item.candidate,)) for genes in allowed.neighbours(item.genes))
        yield from ((genes, ()) for genes in allowed.all())

    def _learned(self, known: _Learning, generator: np.random.Generator, index: int) -> Iterator[Idea]:
        """A few genomes from each source in turn; none if nothing fits yet."""
        if known.parents:
            for turn in range(len(CYCLE)):
                yield from self._from(CYCLE[(index + turn) % len(CYCLE)], known, generator)

    def _from(self, source: str, known: _Learning, generator: np.random.Generator) -> Iterator[Idea]:
        """A few genomes from one source."""
        allowed, parents = known.allowed, known.parents
        if source == "sample":
            tried = liked(known.tried, known.taste)
            found = samples(self._genes, tried, int(generator.integers(2**31)), allowed)
            return ((genes, ()) for genes in islice(found, TRIES))
        if source == "walk":
            model = AdditiveModel(self._genes, known.tried, known.taste)
            starts = (parents[_early(len(parents), generator)] for _ in range(TRIES))
            return ((model.walk(start.genes, allowed, generator), (start.candidate,)) for start in starts)
        move = _neighbour if source == "neighbour" else _child
        return (move(parents, allowed, generator) for _ in range(TRIES))

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


def _neighbour(parents: Sequence[Tried], allowed: GeneSpace, generator: np.random.Generator) -> Idea:
    parent = parents[_early(len(parents), generator)]
    options = allowed.neighbours(parent.genes) or [parent.genes]
    return options[int(generator.integers(len(options)))], (parent.candidate,)


def _child(parents: Sequence[Tried], allowed: GeneSpace, generator: np.random.Generator) -> Idea:
    """A child of two of the best; of the only one there is, if there is only one."""
    one, other = (parents[int(place)] for place in generator.permutation(max(2, len(parents)))[:2] % len(parents))
    return allowed.crossed(one.genes, other.genes, generator), (one.candidate, other.candidate)
