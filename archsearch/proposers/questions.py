"""The questions to an LLM: what is said at the beginning of each round of proposals."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.outcome import Evaluation
from archsearch.llm.messages import Message, system, user
from archsearch.llm.tools import Tool
from archsearch.problem.problem import Problem
from archsearch.proposers.baselines import baseline_candidates
from archsearch.proposers.briefing import problem_prompt
from archsearch.proposers.consulting import Consulting, QuickFit
from archsearch.proposers.measured import GivenPhysics, Measured
from archsearch.proposers.memory import Memory, Past, Wishes
from archsearch.proposers.progress import Telling
from archsearch.proposers.prompts import refuse_unfit, system_prompt

ROUND = 3
"""Proposals that one question asks for."""
TOOL_CALLS = 4
"""Tools that may be called before a reply."""
OCCASION = re.compile(r"proposals from (\d+) on")


class Questions:
    """Makes the questions of a search; each depends on what was known when its round began, and on nothing else.

    Args:
        problem: what is asked. Of its data only the training part is looked at.
        memory: of the run.
        generation: a proposal may depend on evaluations that lie at least this many places before it.
        quick_fit: a tool that fits a candidate with little effort; None to offer none.

    Attributes:
        space: what candidates are for.
        first: the number of the first proposal that an LLM is asked for; the baselines come before it.
    """

    def __init__(self, problem: Problem, memory: Memory, generation: int, quick_fit: QuickFit | None = None) -> None:
        refuse_unfit()
        measured = Measured.of(problem)
        physics = GivenPhysics.of(measured)
        self.space = problem.space
        self.first = len(baseline_candidates(problem.space))
        self._memory = memory
        self._generation = generation
        self._telling = Telling(measured, memory)
        self._static = (system_prompt(), problem_prompt(problem, measured, physics))
        self._consulting = Consulting(measured, physics, memory, quick_fit)

    def begin_of(self, index: int) -> int:
        """The number of the first proposal in the round of this one."""
        return index - (index - self.first) % ROUND

    def known(self, history: Sequence[Evaluation], begin: int) -> list[Evaluation]:
        """Those of the evaluations that a round may depend on."""
        return [item for item in history if item.number <= begin - self._generation]

    def past(self, begin: int) -> tuple[Past, ...]:
        """What was proposed before a round."""
        return self._memory.before(begin)

    def wishes(self, begin: int) -> Wishes:
        """What a person wanted when a round began."""
        return self._memory.wishes(begin)

    def candidate(self, suggested: Candidate) -> Candidate:
        """A candidate that was suggested, under the names of the problem."""
        return suggested

    def conversation(self, history: Sequence[Evaluation], begin: int) -> tuple[Message, ...]:
        """What is said at the beginning of a round: what never changes, the problem, then what was tried.

        Args:
            history: the evaluations that exist; those that the round may not depend on are left out.
            begin: the number of the first proposal of the round.
        """
        volatile = self._telling.prompt(self.known(history, begin), begin, ROUND, TOOL_CALLS)
        return system(self._static[0]), user(f"{self._static[1]}\n{volatile}")

    def tools(self, history: Sequence[Evaluation], begin: int) -> Sequence[Tool[Any]]:
        """What the LLM may use before it replies."""
        return self._consulting.tools(self.known(history, begin), begin)


def occasion_of(begin: int) -> str:
    """By what the record knows the questions of a round."""
    return f"proposals from {begin} on"


def round_of(occasion: str) -> int | None:
    """The number of the first proposal of the round that a recorded question belongs to."""
    found = OCCASION.match(occasion)
    return int(found[1]) if found else None
