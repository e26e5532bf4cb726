"""An LLM that says what a test wants, and a memory of what was proposed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.outcome import Evaluation, FittedNet, FittedParameter, FittedTerm, Score
from archsearch.llm.messages import Answer, Message, Usage
from archsearch.llm.outage import Outage
from archsearch.llm.tools import Tool
from archsearch.problem.trajectories import Floats
from archsearch.proposers.memory import Memory, Past, Wishes

T = TypeVar("T", bound=BaseModel)
Said = dict[str, Any] | Outage


@dataclass
class FakeLlm:
    """Says the replies in turn, or what `answers` makes of the question; remembers what it was asked."""

    replies: list[Said] = field(default_factory=list)
    answers: Callable[[str], Said] | None = None
    asked: list[tuple[Message, ...]] = field(default_factory=list)
    occasions: list[str] = field(default_factory=list)
    tools: list[tuple[str, ...]] = field(default_factory=list)

    def ask(
        self,
        conversation: Sequence[Message],
        form: type[T],
        *,
        tools: Sequence[Tool[Any]] = (),
        tool_calls: int = 0,
        occasion: str = "",
    ) -> Answer[T]:
        self.asked.append(tuple(conversation))
        self.occasions.append(occasion)
        self.tools.append(tuple(tool.name for tool in tools))
        said = self.answers(conversation[-1].text) if self.answers else self.replies.pop(0)
        if isinstance(said, Outage):
            raise said
        conversation = (*conversation, Message("assistant", str(said)))
        return Answer(
            form.model_validate(said), "fake", "json_schema", Usage(), None, 0.0, 1, (), (), conversation, True
        )

    @property
    def last(self) -> str:
        """Everything that was said in the last question."""
        return "\n".join(message.text for message in self.asked[-1])


@dataclass
class FakeMemory(Memory):
    """Remembers what it is told."""

    past: list[Past] = field(default_factory=list)
    wanted: Wishes = field(default_factory=Wishes)
    predictions: dict[int, Mapping[str, Floats]] = field(default_factory=dict)

    def before(self, number: int) -> tuple[Past, ...]:
        return tuple(item for item in self.past if item.number < number)

    def trained(self, number: int) -> Mapping[str, Floats]:
        return self.predictions.get(number, {})

    def wishes(self, number: int) -> Wishes:
        return self.wanted


def evaluation(candidate: Candidate, number: int, error: float, nets: int = 0, **values: float) -> Evaluation:
    """An evaluation that fits."""
    score = Score(nrmse=error, rmse={"X": error}, per_trajectory={"b1": error}, trajectories=1, diverged=0)
    parameters = {
        name: FittedParameter(
            value=value, unit="1/h", low=0.0, high=1.0, identified=False, std_error=0.1, reference=9.87654
        )
        for name, value in values.items()
    }
    seen = {f"net{i}": FittedNet(role="add", inputs=("S",), hidden=(8,), weights=25, share=0.5) for i in range(nets)}
    record = Evaluation.of(candidate, number).model_copy(
        update={
            "status": "ok",
            "train": score,
            "validation": score,
            "parameters": parameters,
            "nets": seen,
            "terms": {"growth": FittedTerm(status="given", ablated_nrmse=1.23456)},
            "weights": 25 * nets,
        }
    )
    return record


def noise(shape: tuple[int, ...]) -> Floats:
    return np.random.default_rng(0).standard_normal(shape)
