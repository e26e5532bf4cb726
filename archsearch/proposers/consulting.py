"""What an LLM may look up before it replies: typed functions over training data and past evaluations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.outcome import Evaluation
from archsearch.candidate.ranking import as_good_as, size
from archsearch.errors import RequestError
from archsearch.llm.tools import Tool
from archsearch.proposers.measured import GivenPhysics, Measured, evaluated
from archsearch.proposers.measured import size as magnitude
from archsearch.proposers.memory import Memory
from archsearch.proposers.progress import parameter_line, told_failure
from archsearch.proposers.trends import correlations, fifths, four, listed, told

MOST_ROWS = 40
DATA = "Training data of one trajectory as a table, with smoothed derivatives."
RESIDUAL = (
    "Smoothed derivative of a state minus an expression over states, inputs, t, parameters and terms of the physics as "
    "given, tabulated against another expression; training data."
)
QUICK_FIT = "Fit a proposed candidate with little effort: training error and parameters."

QuickFit = Callable[[Candidate], Evaluation]
"""Fits a candidate with little effort."""


class Arguments(BaseModel):
    """Common to the arguments of all tools: frozen, and unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DataArguments(Arguments):
    """What `data` takes."""

    trajectory: Annotated[str, Field(description='its name, or "" for the first')]
    states: Annotated[tuple[str, ...], Field(description="names of states; [] for all")]
    rows: Annotated[int, Field(ge=1, le=MOST_ROWS, description="samples to show, evenly spread")]


class CompareArguments(Arguments):
    """What `compare` takes."""

    one: Annotated[int, Field(description="number of a candidate")]
    other: Annotated[int, Field(description="number of another")]


class ResidualArguments(Arguments):
    """What `residual` takes."""

    state: Annotated[str, Field(description="whose derivative")]
    expression: Annotated[str, Field(description="what is subtracted from it, e.g. rate * A - loss")]
    against: Annotated[str, Field(description="an expression that the residual is tabulated against, e.g. A / B")]


class FitArguments(Arguments):
    """What `quick_fit` takes."""

    number: Annotated[int, Field(description="number of a candidate that was proposed, evaluated or not")]


@dataclass(frozen=True)
class Consulting:
    """The tools for an LLM. What they tell comes from training data and from scores, never from held-out targets.

    Attributes:
        measured: the training data.
        physics: fitted to their derivatives.
        memory: of the run.
        quick_fit: fits a candidate with little effort; None where that is not on offer.
    """

    measured: Measured
    physics: GivenPhysics
    memory: Memory
    quick_fit: QuickFit | None = None

    def tools(self, history: Sequence[Evaluation], number: int) -> Sequence[Tool[Any]]:
        """The tools for a question, given what it may use.

        Args:
            history: the evaluations.
            number: of the proposal that is asked for.
        """

        def compared(given: CompareArguments) -> str:
            return self.compare(history, given)

        def fitted(given: FitArguments) -> str:
            return self.fit(number, given)

        found: list[Tool[Any]] = [
            Tool("data", DATA, DataArguments, self.data),
            Tool("compare", "Two evaluated candidates side by side.", CompareArguments, compared),
            Tool("residual", RESIDUAL, ResidualArguments, self.residual),
        ]
        if self.quick_fit is not None:
            found.append(Tool("quick_fit", QUICK_FIT, FitArguments, fitted))
        return found

    def data(self, given: DataArguments) -> str:
        """A table of samples of one training trajectory."""
        row, names = self._row(given.trajectory), given.states or self.measured.space.state_names
        columns = [self.measured.column(name) for name in names]
        known = self.measured.trajectories
        length = int(known.lengths[row])
        places = np.unique(np.linspace(0, length - 1, min(given.rows, length)).round().astype(int))
        head = " | ".join(["t", *(f"{name} | d{name}/dt" for name in names), *self.measured.space.input_names])
        lines = [f"Trajectory {known.ids[row]}, {len(places)} of {length} samples:", head]
        for place in places:
            cells = [known.times[row, place]]
            for j in columns:
                cells += [known.states[row, place, j], self.measured.slopes[row, place, j]]
            lines.append(" | ".join(four(float(cell)) for cell in [*cells, *known.inputs[row, place]]))
        return "\n".join(lines)

    def residual(self, given: ResidualArguments) -> str:
        """What an expression leaves of a derivative, and what that depends on."""
        slope = self.measured.slope(given.state)
        parameters = self.physics.parameters
        left = slope - evaluated(given.expression, self.measured, parameters)
        curve = fifths(left, evaluated(given.against, self.measured, parameters))
        points = ", ".join(f"{four(middle)} -> {four(height)}" for middle, height in curve)
        goes = told(correlations(left, self.measured.variables()))
        values = listed([f"{name} = {four(value)}" for name, value in parameters.items()])
        share = magnitude(left) / magnitude(slope)
        return (
            f"d{given.state}/dt - ({given.expression}): {four(share)} of the size of the derivative; "
            f"goes with {goes}. Medians in fifths of {given.against}: {points or 'none'}. "
            f"Parameters: {values}; the others at their start values."
        )

    def compare(self, history: Sequence[Evaluation], given: CompareArguments) -> str:
        """Errors, sizes and parameters of two candidates."""
        one, other = (self._evaluation(history, number) for number in (given.one, given.other))
        better, worse = sorted((one, other), key=lambda item: item.error)
        equal = "cannot tell them apart" if as_good_as(worse, better) else f"prefer number {better.number}"
        return "\n".join([f"The held-out data {equal}.", *(_described(item) for item in (one, other))])

    def fit(self, number: int, given: FitArguments) -> str:
        """Training error and parameters of a candidate after a short fit."""
        known = {item.number: item.candidate for item in self.memory.before(number)}
        if given.number not in known:
            raise RequestError(f"There is no candidate {given.number}.", f"There are 0 to {len(known) - 1}.")
        assert self.quick_fit is not None
        found = self.quick_fit(known[given.number])
        if found.failure is not None:
            return f"It failed ({told_failure(found.failure)})"
        error = four(found.train.nrmse if found.train is not None else None)
        values = listed([parameter_line(*item) for item in found.parameters.items()])
        return f"Training error {error}. Parameters, as its own process says: {values}."

    def _row(self, name: str) -> int:
        ids = self.measured.trajectories.ids
        if name and name not in ids:
            raise RequestError(f"There is no training trajectory '{name}'.", f"There are {', '.join(ids[:20])}.")
        return ids.index(name) if name else 0

    def _evaluation(self, history: Sequence[Evaluation], number: int) -> Evaluation:
        found = next((item for item in history if item.number == number), None)
        if found is None:
            listed_numbers = ", ".join(str(item.number) for item in history) or "none"
            raise RequestError(f"Number {number} is not evaluated yet.", f"Evaluated are: {listed_numbers}.")
        return found


def _described(item: Evaluation) -> str:
    if item.failure is not None:
        return f"{item.number}: failed ({told_failure(item.failure)})"
    rmse = item.validation.rmse if item.validation is not None else {}
    states = listed([f"{name} {four(value)}" for name, value in rmse.items()])
    values = listed([parameter_line(*pair) for pair in item.parameters.items()])
    errors = f"Error {four(item.error)} ({states}), {size(item)} fitted numbers."
    return f"{item.number}: {item.claim} {errors} As its own process says: {values}."
