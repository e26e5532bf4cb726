"""What came of a candidate: an evaluation, or a failure with its kind, its sentence and its remedy."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict

from archsearch.candidate.candidate import Candidate

VERSION = 1
NORMAL_95 = 1.959964
"""So many standard errors to either side hold 95 % of a normal distribution."""
ROUNDING = 1e-6
"""A limit that is broken by less than this share of its size is kept."""


class Record(BaseModel):
    """Common to all records: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Failure(Record):
    """Why a candidate has no score."""

    kind: Literal["check", "load", "fit", "time", "memory", "output", "crash", "diverged", "result"]
    message: str
    remedy: str


class Score(Record):
    """The error of held-out rollouts.

    `nrmse` is the root mean square over states and samples of (prediction - observation) / training standard deviation;
    `rmse` is per state in the state's unit; `per_trajectory` is the nrmse of each; `constraints` holds the worst
    violation of each constraint (0: none) in the unit of its sides. `squares` and `counts` hold the sum of squares and
    the number of observations of each unit that two models are compared on, in pairs: trajectories where there are
    five or more, else sampling times; empty if a rollout diverged.
    """

    nrmse: float
    rmse: dict[str, float]
    per_trajectory: dict[str, float]
    trajectories: int
    diverged: int
    constraints: dict[str, float] = {}
    squares: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()


class FittedParameter(Record):
    """A physical parameter as fitted.

    `identified`: the data determine it beside the nets and the other parameters. `reference`: the value that the
    space names to compare with; no fit ever sees it.
    """

    value: float
    unit: str
    low: float | None
    high: float | None
    identified: bool | None = None
    std_error: float | None = None
    reference: float | None = None

    @property
    def deviation(self) -> float | None:
        """How far the value is off its reference, as a fraction of it; None without one, or if that is 0."""
        return abs(self.value / self.reference - 1.0) if self.reference else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval: normal around the fit and cut at the bounds; None if the standard error is not known."""
        if self.std_error is None or not math.isfinite(self.std_error):
            return None
        half = NORMAL_95 * self.std_error
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        return max(self.value - half, low), min(self.value + half, high)


class FittedState(Record):
    """A state that no training data show after its start, as its candidate's process tells of it.

    `std_error`: its standard deviation around the fit; `spread`: how much it varies along the fitted rollouts, or its
    size if it stands still. `identified`: the data alone leave little of that open.
    """

    unit: str
    std_error: float | None = None
    spread: float | None = None
    identified: bool | None = None


class FittedLimit(Record):
    """How a limit of the candidate was kept, as its own process tells of it: nobody else can evaluate a limit.

    `train`, `validation`: its least margin along the rollouts, in its unit, negative if broken; None if it was not told
    or is not finite. `size`: the root mean square of its margins along the training rollouts.
    """

    train: float | None = None
    validation: float | None = None
    size: float | None = None

    @property
    def kept(self) -> bool | None:
        """Whether no least margin is below 0 by more than rounding; None if that is not known."""
        least = [margin for margin in (self.train, self.validation) if margin is not None]
        if any(margin < -ROUNDING * (self.size or 0.0) for margin in least):
            return False
        return True if len(least) == 2 else None


class FittedTerm(Record):
    """What became of a term, by which library term or net, and what the model loses without it (its gate closed)."""

    status: Literal["given", "dropped", "replaced", "added"]
    by: str | None = None
    ablated_nrmse: float | None = None


class FittedNet(Record):
    """A net of the model and its share of the dynamics, rms(correction) / rms(derivative), on training data."""

    role: str
    inputs: tuple[str, ...]
    hidden: tuple[int, ...]
    weights: int
    share: float | None = None


class Evaluation(Record):
    """Everything that is remembered of one candidate besides its source, weights and predictions."""

    version: int = VERSION
    number: int
    candidate: str
    author: str
    parents: tuple[str, ...] = ()
    claim: str = ""
    status: Literal["ok", "failed"]
    failure: Failure | None = None
    train: Score | None = None
    validation: Score | None = None
    parameters: dict[str, FittedParameter] = {}
    hidden_states: dict[str, FittedState] = {}
    limits: dict[str, FittedLimit] = {}
    terms: dict[str, FittedTerm] = {}
    nets: dict[str, FittedNet] = {}
    weights: int = 0
    constants: int = 0
    """Numbers in the source that were written down and not declared: they are as free as fitted ones."""
    seconds: float = 0.0
    sandbox: str = ""
    """The walls that it ran behind (see `archsearch doctor`); empty in records of earlier versions."""
    genome: dict[str, str | float | int | bool] | None = None
    """The genome as Optuna parameters, if the candidate came from one."""

    @classmethod
    def of(cls, candidate: Candidate, number: int, failure: Failure | None = None) -> Evaluation:
        """The record of a candidate that has no result yet, or none because it failed."""
        return cls(
            number=number,
            candidate=candidate.id,
            author=candidate.author,
            parents=candidate.parents,
            claim=candidate.claim,
            status="failed",
            failure=failure,
            genome=candidate.genome,
        )

    @property
    def error(self) -> float:
        """The validation nrmse; infinite for a failure."""
        return self.validation.nrmse if self.validation is not None else float("inf")
