"""What came of a candidate: an evaluation, or a failure with its kind, its sentence and its remedy."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from archsearch.candidate.candidate import Candidate

VERSION = 1


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


class FittedTerm(Record):
    """What became of a term, and what the model loses without it (training nrmse with its gate closed)."""

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
