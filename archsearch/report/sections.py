"""What each section of the page shows, as values for its template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from archsearch.candidate.equation_text import latex_block
from archsearch.candidate.markdown import model_markdown
from archsearch.candidate.outcome import Evaluation
from archsearch.candidate.ranking import best as best_of
from archsearch.candidate.ranking import size
from archsearch.problem.problem import Problem
from archsearch.report.alternatives import MOST_SHOWN, equals_of, front
from archsearch.report.asked import asked
from archsearch.report.bans import marks_of
from archsearch.report.equations import equations, further_lines
from archsearch.report.figures import models_of
from archsearch.report.leaderboard import BASELINES, LEGEND, baselines_of, four, leaderboard, marked
from archsearch.report.lineage import Entry, lineage
from archsearch.report.parameters import about_parameters, parameter_rows
from archsearch.report.persons import acts_of, is_by_person, refused_authors, told
from archsearch.report.proposers_compared import GRAMMAR, LLM, about_proposers, authors
from archsearch.report.reproduce import reproduction
from archsearch.report.seeds import TRAINED_ONCE, about_seeds, repeats, row_of
from archsearch.report.tried import choices, failure_groups
from archsearch.report.verdict import Verdict, about_nets, judge
from archsearch.report.weakness import weaknesses

if TYPE_CHECKING:
    from archsearch.study.proposals import Proposal
    from archsearch.study.store import Study

MOST_ROWS = 15


@dataclass(frozen=True)
class Reported:
    """A run as the page tells it; each section looks up what it shows.

    Attributes:
        study: the run.
        problem: of the run.
        beside: other runs of the same problem.
    """

    study: Study
    problem: Problem
    beside: tuple[Study, ...] = ()

    @cached_property
    def evaluations(self) -> list[Evaluation]:
        """All of them, by number."""
        return self.study.evaluations()

    @cached_property
    def proposals(self) -> dict[int, Proposal]:
        """All of them, by number."""
        return self.study.proposals()

    @cached_property
    def ranked(self) -> list[Evaluation]:
        """Smallest error first, failures last."""
        return self.study.ranked()

    @cached_property
    def best(self) -> Evaluation | None:
        """The model to believe in."""
        return self.study.best()

    @cached_property
    def verdict(self) -> Verdict:
        """Whether it was worth it."""
        return judge(self.study, self.problem)

    @cached_property
    def marks(self) -> dict[int, str]:
        """What stands against candidates, by number."""
        return marks_of(self.study, self.problem.space)

    @cached_property
    def equals(self) -> tuple[Evaluation, ...]:
        """The others that the data cannot tell from the best."""
        return () if self.best is None else equals_of(self.ranked, self.best)

    @cached_property
    def found(self) -> dict[str, Any]:
        """The best model: what it is, and what can be said against it; empty if nothing fits."""
        if self.best is None:
            return {}
        best, space = self.best, self.problem.space
        source = self.study.source(best.number)
        shown = equations(source, space)
        baseline = next((name for key, name in BASELINES.items() if self._is_baseline(key)), "")
        rows = parameter_rows(best, self.equals, space)
        return {
            "evaluation": best,
            "name": _named(baseline, best),
            "size": size(best),
            "rationale": self.proposals[best.number].candidate.rationale,
            "decision": self._decision(best.number),
            "banned": self._banned(),
            "equations": shown,
            "changed": any(part.change != "kept" for item in shown for part in item.parts),
            "further": further_lines(source),
            "latex": latex_block(source, space),
            "markdown": model_markdown(best, source, space),
            "parameters": rows,
            "trust": about_parameters(rows, best),
            "weak": weaknesses(self.problem, models_of(self.study)[0], best),
            "compared": any(item.reference is not None for item in best.parameters.values()),
            "elsewhere": any(row.elsewhere is not None for row in rows),
            "source": source,
            "test": self.study.test_scores().get(best.candidate),
        }

    def asked(self) -> dict[str, Any]:
        """What was asked."""
        return {"asked": asked(self.problem, self.study.record)}

    def sure(self) -> dict[str, Any]:
        """How sure the answer is."""
        found = repeats(self.study, self.beside, self.best) if self.best is not None else ()
        several = len({item.seed for item in found}) > 1
        return {
            "equals": self.equals[:MOST_SHOWN],
            "more_equals": max(0, len(self.equals) - MOST_SHOWN),
            "sizes": {item.number: size(item) for item in self.evaluations},
            "sentences": self._doubts(several),
            "repeats": [row_of(item) for item in found] if several else [],
            "seeds": about_seeds(found) if several else (),
        }

    def tried(self) -> dict[str, Any]:
        """What was tried."""
        sizes = {item.number: size(item) for item in self.evaluations}
        rows = marked(leaderboard(self.ranked, baselines_of(self.study), MOST_ROWS), self.marks)
        return {
            "several_authors": len({item.author for item in self.evaluations}) > 1,
            "authors": authors(self.evaluations, list(refused_authors(self.proposals))),
            "llm": about_proposers(self.study, self.beside),
            "waiting": self._waiting(),
            "front": front(self.evaluations, sizes),
            "sizes": sizes,
            "lineage": lineage(self._entries(), None if self.best is None else self.best.number),
            "rows": rows,
            "hidden": max(0, len(self.evaluations) - len(rows)),
            "legend": LEGEND,
            "choices": choices(self.evaluations),
            "failures": failure_groups(self.evaluations),
        }

    def persons(self) -> dict[str, Any]:
        """What persons decided and wished."""
        return {"acts": acts_of(self.study), "marks": self.marks}

    def again(self) -> dict[str, Any]:
        """How to reproduce it."""
        steered = bool(acts_of(self.study))
        has_test = self.problem.test is not None
        return {"again": reproduction(self.study, self.best, has_test=has_test, steered=steered)}

    def _doubts(self, several: bool) -> list[str]:
        """The sentences of the verdict that the first page does not show in another way."""
        if self.best is None:
            return []
        shown = {*about_nets(self.ranked, self.best), *([TRAINED_ONCE] if several else [])}
        return [text for text in self.verdict.sentences[1:] if text not in shown]

    def _waiting(self) -> int:
        """How many proposals nobody has decided about yet."""
        evaluated = {item.number for item in self.evaluations}
        return sum(item.decision is None and number not in evaluated for number, item in self.proposals.items())

    def _is_baseline(self, key: str) -> bool:
        other = baselines_of(self.study).get(key)
        return other is not None and self.best is not None and other.number == self.best.number

    def _decision(self, number: int) -> str:
        """What a person decided about a candidate; empty if none did."""
        decision = self.proposals[number].decision
        return told(decision) if is_by_person(decision) else ""

    def _banned(self) -> str:
        """What a reader must know if the best model is banned; empty if it is not."""
        mark = self.marks.get(self.best.number) if self.best is not None else None
        if mark is None:
            return ""
        allowed = best_of(item for item in self.evaluations if item.number not in self.marks)
        if allowed is None:
            return f"It is {mark}, and nothing else fits."
        return f"It is {mark}; the best that breaks no ban is number {allowed.number}, {four(allowed.error)}."

    def _entries(self) -> Sequence[Entry]:
        """Every proposal, as the tree of parents shows it."""
        ranks: Mapping[int, int] = {item.number: place for place, item in enumerate(self.ranked)}
        evaluated = {item.number: item for item in self.evaluations}
        last = len(ranks)
        return [
            Entry(
                number=number,
                candidate=item.candidate,
                error=_became(item, evaluated.get(number)),
                rank=ranks.get(number, last),
                by_person=item.candidate.author not in (GRAMMAR, LLM),
            )
            for number, item in sorted(self.proposals.items())
        ]


def _named(baseline: str, best: Evaluation) -> str:
    """What a model is, in a line: the name of the baseline that it is, its claim, and nothing twice."""
    said = (baseline if baseline not in best.claim.lower() else "", best.claim)
    return ": ".join(text for text in said if text) or best.candidate


def _became(proposal: Proposal, evaluation: Evaluation | None) -> str:
    """What became of a proposal, in a word."""
    if evaluation is not None:
        return four(evaluation.error) if evaluation.validation is not None else "failed"
    if proposal.decision is None:
        return "waits for a decision"
    return "not evaluated yet" if proposal.decision.approved else "refused"
