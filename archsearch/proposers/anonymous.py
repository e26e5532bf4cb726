"""Questions under other names: what is sent says nothing of what the problem is, and what returns is renamed back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.genes import from_parameters
from archsearch.candidate.outcome import Evaluation, Score
from archsearch.problem.problem import Part, Problem
from archsearch.problem.trajectories import Floats
from archsearch.proposers.aliases import Aliases
from archsearch.proposers.baselines import candidate_of
from archsearch.proposers.consulting import QuickFit
from archsearch.proposers.memory import Memory, Past, Wishes
from archsearch.proposers.moves import Genes
from archsearch.proposers.questions import Questions

LANGUAGE = frozenset(["algebraic_variables", "dropped", "regularizers", "replaced"])
"""What a candidate assigns to that belongs to the model language."""


class AnonymousQuestions(Questions):
    """Questions that name states, inputs, parameters, terms, slots, trajectories and counted things otherwise.

    Of descriptions only words are told that say nothing of what the problem is, with signs for the others; comments and
    docstrings of sources are left out, and names that a source brings up are numbered. Measurements, units of
    measurement and the time are told as they are: who knows the very data by heart recognises them. Hints of a person
    are told in their words, with the names and the words of the description replaced.

    Args:
        problem: what is asked.
        memory: of the run.
        generation: as for `Questions`.
        quick_fit: likewise.
    """

    def __init__(self, problem: Problem, memory: Memory, generation: int, quick_fit: QuickFit | None = None) -> None:
        self._translator = Translator(problem)
        fitted = None if quick_fit is None else self._translator.fitting(quick_fit)
        hidden = _HiddenMemory(memory, self._translator)
        super().__init__(self._translator.problem(problem), hidden, generation, fitted)

    def known(self, history: Sequence[Evaluation], begin: int) -> list[Evaluation]:
        """Those of the evaluations that a round may depend on, renamed."""
        self.past(begin)  # so that parents are known under their new ids
        return [self._translator.evaluation(item) for item in super().known(history, begin)]

    def candidate(self, suggested: Candidate) -> Candidate:
        """A candidate that was suggested, under the names of the problem."""
        return self._translator.back(suggested)


class Translator:
    """Renames problems, candidates and evaluations, and candidates back.

    Args:
        problem: whose names are replaced.
    """

    def __init__(self, problem: Problem) -> None:
        self._space = problem.space
        self._there = Aliases.of(problem.space)
        self._back = self._there.back()
        parts = (problem.train, problem.validation)
        ids = dict.fromkeys(name for part in parts for name in part.trajectories.ids)
        self._ids = {name: f"r{number}" for number, name in enumerate(ids, 1)}
        self._originals: dict[str, str] = {}
        self._hidden: dict[str, str] = {}

    def problem(self, problem: Problem) -> Problem:
        """The problem under other names."""
        space = self._there.space(problem.space)
        return replace(problem, space=space, name="process", train=self._part(problem.train))

    def text(self, text: str) -> str:
        """A text with the names replaced."""
        return self._there.text(text)

    def candidate(self, candidate: Candidate) -> Candidate:
        """A candidate under other names; `back` knows its parents."""
        numbered: dict[str, str] = {}

        def own(name: str) -> str:
            return name if name in LANGUAGE else numbered.setdefault(name, f"{_mark(name)}v{len(numbered) + 1}")

        parents = tuple(self._hidden_id(parent) for parent in candidate.parents)
        found = replace(
            candidate,
            source=self._there.source(candidate.source, own),
            claim=self.text(candidate.claim),
            rationale=self.text(candidate.rationale),
            parents=parents,
            genome=self._genome(candidate.genome),
        )
        self._originals[found.id] = candidate.id
        self._hidden.setdefault(candidate.id, found.id)
        return found

    def back(self, candidate: Candidate) -> Candidate:
        """A candidate that was suggested under other names, under those of the problem."""
        genome = None if candidate.genome is None else _renamed_genome(candidate.genome, self._back)
        claim = self._back.text(candidate.claim)
        return replace(
            candidate,
            source=self._source(candidate.source, claim) if genome is None else self._rendered(genome),
            claim=claim,
            rationale=self._back.text(candidate.rationale),
            parents=tuple(self._originals.get(parent, parent) for parent in candidate.parents),
            genome=genome,
        )

    def _source(self, source: str, claim: str) -> str:
        """A source under the names of the problem; a name of the problem that it brought up by chance is another."""
        known = self._there.names
        renamed = self._back.source(source, lambda name: f"{name}_new" if name in known else name)
        return f'"""{_quotable(claim)}"""\n\n{renamed}'

    def _rendered(self, genome: Genes) -> str:
        """What the grammar writes for these genes, so that the same is seen to be the same."""
        return candidate_of(from_parameters(genome, self._space), self._space).source

    def evaluation(self, item: Evaluation) -> Evaluation:
        """An evaluation under other names; the id is that of the candidate as it was."""
        names = self._there.names
        update = {
            "parents": tuple(self._hidden_id(parent) for parent in item.parents),
            "claim": self.text(item.claim),
            "failure": item.failure and item.failure.model_copy(update={"message": self.text(item.failure.message)}),
            "train": item.train and self._score(item.train),
            "validation": item.validation and self._score(item.validation),
            "parameters": {
                names.get(name, name): value.model_copy(update={"unit": self._there.unit(value.unit)})
                for name, value in item.parameters.items()
            },
            "terms": {
                names.get(name, name): term.model_copy(update={"by": term.by and names.get(term.by, term.by)})
                for name, term in item.terms.items()
            },
            "nets": {
                names.get(name, name): net.model_copy(update={"inputs": tuple(names.get(x, x) for x in net.inputs)})
                for name, net in item.nets.items()
            },
            "genome": self._genome(item.genome),
        }
        return item.model_copy(update=update)

    def fitting(self, quick_fit: QuickFit) -> QuickFit:
        """A fit that takes a candidate under other names."""
        return lambda candidate: self.evaluation(quick_fit(self.back(candidate)))

    def _hidden_id(self, original: str) -> str:
        return self._hidden.get(original, original)

    def _genome(self, genome: Genes | None) -> Genes | None:
        return None if genome is None else _renamed_genome(genome, self._there)

    def _part(self, part: Part) -> Part:
        ids = tuple(self._ids.get(name, name) for name in part.trajectories.ids)
        return replace(part, trajectories=replace(part.trajectories, ids=ids))

    def _score(self, score: Score) -> Score:
        names = self._there.names
        return score.model_copy(
            update={
                "rmse": {names.get(name, name): value for name, value in score.rmse.items()},
                "constraints": {names.get(name, name): value for name, value in score.constraints.items()},
                "per_trajectory": {self._ids.get(name, name): value for name, value in score.per_trajectory.items()},
            }
        )


class _HiddenMemory(Memory):
    """A memory under other names."""

    def __init__(self, memory: Memory, translator: Translator) -> None:
        self._memory = memory
        self._translator = translator
        self._told: dict[Past, Past] = {}

    def before(self, number: int) -> tuple[Past, ...]:
        return tuple(self._tell(item) for item in self._memory.before(number))

    def _tell(self, item: Past) -> Past:
        """What is told of a proposal, renamed once: parents come before their children, and keep their names."""
        if item not in self._told:
            tell = self._translator
            self._told[item] = Past(item.number, tell.candidate(item.candidate), tell.text(item.refusal), item.waits)
        return self._told[item]

    def trained(self, number: int) -> Mapping[str, Floats]:
        return self._memory.trained(number)

    def wishes(self, number: int) -> Wishes:
        wanted, tell = self._memory.wishes(number), self._translator
        hints, bans, pins, reasons = (
            tuple(tell.text(item) for item in items)
            for items in (wanted.hints, wanted.bans, wanted.pins, wanted.reasons)
        )
        return Wishes(hints, bans, pins, wanted.preferences, reasons)


def _renamed_genome(genome: Genes, aliases: Aliases) -> Genes:
    """Genes such as `slot.<name>.inputs` with values such as `a+b`; the first word is the kind of the gene."""
    return {
        _renamed_gene(name, aliases): aliases.words(value) if isinstance(value, str) and "." in name else value
        for name, value in genome.items()
    }


def _renamed_gene(name: str, aliases: Aliases) -> str:
    kind, dot, rest = name.partition(".")
    owner, more, part = rest.partition(".")
    if kind == "everywhere":
        return name
    return f"{kind}{dot}{aliases.names.get(owner, owner)}{more}{part}"


def _mark(name: str) -> str:
    """What the language tells private methods by."""
    return "_" if name.startswith("_") else ""


def _quotable(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', "'")
