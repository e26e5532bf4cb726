"""The search space: what was measured, what is asked, and what may be proposed for it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
Role = Literal["add", "scale", "replace"]
Sign = Literal["+", "-"]


class Table(BaseModel):
    """Common to all tables of a space file: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ProblemTable(Table):
    """`[problem]`: what this is about."""

    title: str
    description: str = ""
    kind: Literal["process", "static"] = "process"
    """`static`: there is no time. Each row of the data is a sample, inputs are its conditions, states its outputs."""
    time_unit: str = "1"
    counting_units: tuple[str, ...] = ()
    """Things that are counted (`hare`, `boy`) and may be used as units; each has a dimension of its own."""


class DataTable(Table):
    """`[data]`: where the measurements are. Either `file`, or `simulator` with its `seed`."""

    file: str | None = None
    simulator: str | None = None
    seed: int = 0
    time: str = "time"
    trajectory: str | None = None
    """The column that tells trajectories apart; without it there is one, called `1`."""


class GridTable(Table):
    """`[grid]`: what lies beyond the edge of the grid, along all its axes; the words are those of the operators."""

    boundary: Literal["periodic", "neumann", "dirichlet"] | None = None


class Axis(Table):
    """`[[axes]]`: one axis of the grid on which the states are fields, in the order of the axes of the arrays.

    Its points are the centres of cells of one size, the `spacing`. Where that is not given it is read off `column`, the
    array of the coordinates.
    """

    name: Name
    unit: str = "1"
    spacing: float | None = Field(default=None, gt=0)
    column: str | None = None
    description: str = ""


class Region(Table):
    """Whole trajectories whose first observation satisfies a condition, e.g. `volume > 800`."""

    where: str


class SplitTable(Table):
    """`[split]`: which data a candidate never sees.

    `by = "trajectory"`: `validation` and `test` are lists of ids, or a fraction of the trajectories (drawn by `seed`).
    `by = "time"`: samples from `validation_from` on are held out for validation, from `test_from` on for the test;
    `test` may instead list ids of whole trajectories. `by = "region"`: `validation_where`, `test_where` are conditions
    on the first observation (`volume > 800`).
    `start`: what a held-out rollout starts from: `first` observation, a `warmup` window of that many samples (given to
    the predictor, left out of the score), or `continue` from the fitted trajectory (only `by = "time"`).
    """

    by: Literal["trajectory", "time", "region"] = "time"
    validation: tuple[str, ...] | float | None = None
    test: tuple[str, ...] | float | None = None
    validation_from: float | None = None
    test_from: float | None = None
    validation_where: str | None = None
    test_where: str | None = None
    start: Literal["first", "warmup", "continue"] | None = None
    warmup: int = Field(default=5, ge=1)
    seed: int = 0


class Bounds(Table):
    """An interval in which a value is sought."""

    low: float
    high: float


class State(Table):
    """`[[states]]`: one state of the model.

    `initial`: `"estimate"` (fitted per trajectory, the first observation being one noisy sample), `"first"` (the first
    observation is exact), a number (known), or bounds (fitted, the same for all trajectories).
    `scale = "log"`: fitted and integrated as a logarithm, for what is positive over orders of magnitude.
    `noise`: standard deviation of the measurement, in the unit of the state (relative where the scale is log).
    """

    name: Name
    unit: str = "1"
    description: str = ""
    column: str | None = None
    observed: bool = True
    positive: bool = False
    scale: Literal["linear", "log"] = "linear"
    noise: float | None = Field(default=None, gt=0)
    initial: Literal["estimate", "first"] | float | Bounds = "estimate"


class Input(Table):
    """`[[inputs]]`: a known input, held constant from each sample to the next."""

    name: Name
    unit: str = "1"
    description: str = ""
    column: str | None = None


class Parameter(Table):
    """`[[parameters]]`: a physical parameter with its start value and bounds; `fixed` ones are constants.

    `reference`: a value from elsewhere to compare with, in the same unit: the literature's, or the truth of a
    simulator. It is shown beside what was found and never used in fitting.
    """

    name: Name
    value: float
    unit: str = "1"
    low: float | None = None
    high: float | None = None
    fixed: bool = False
    reference: float | None = None
    description: str = ""


class Term(Table):
    """`[[terms]]`: a named piece of physics.

    `equations` says in which states' derivatives it stands and with which sign. A term in no equation is a quantity
    (`growth_rate`) that the expressions of later terms use by its name.
    """

    name: Name
    expression: str
    equations: dict[str, Sign] = {}
    trust: Literal["trusted", "suspect"] = "trusted"
    description: str = ""


class LibraryTerm(Table):
    """`[[library]]`: an expression that may be added to `equations`, or put in the place of the term it `replaces`."""

    name: Name
    expression: str
    equations: dict[str, Sign] = {}
    replaces: str | None = None
    description: str = ""


class Structure(Table):
    """What is known about a net before training."""

    positive: bool = False
    bounded: tuple[float, float] | None = None
    monotone: dict[str, Sign] = {}
    zero_at: dict[str, float] = {}


class Slot(Table):
    """`[[slots]]`: a place where a net may stand: on exactly one `equation`, `term` or `parameter`."""

    name: Name
    equation: str | None = None
    term: str | None = None
    parameter: str | None = None
    roles: tuple[Role, ...] = ("add",)
    inputs: tuple[str, ...]
    structure: Structure = Structure()
    description: str = ""


class Constraint(Table):
    """`[[constraints]]`: a comparison that every rollout should satisfy, e.g. `S >= 0`."""

    name: Name
    expression: str
    description: str = ""


class ObjectiveTable(Table):
    """`[objective]`: what a candidate is ranked by. Complexity weighs fitted numbers against error when scores tie."""

    metric: Literal["nrmse"] = "nrmse"
    states: tuple[str, ...] = ()
    """The states that count (default: all observed ones)."""


class SearchSpace(Table):
    """One `space.toml`, read and validated."""

    problem: ProblemTable
    data: DataTable
    split: SplitTable
    grid: GridTable = GridTable()
    axes: tuple[Axis, ...] = ()
    states: tuple[State, ...]
    inputs: tuple[Input, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    terms: tuple[Term, ...] = ()
    library: tuple[LibraryTerm, ...] = ()
    slots: tuple[Slot, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    objective: ObjectiveTable = ObjectiveTable()

    @property
    def is_static(self) -> bool:
        """Whether there is no time in it."""
        return self.problem.kind == "static"

    @property
    def is_field(self) -> bool:
        """Whether its states are fields on a grid."""
        return bool(self.axes)

    @property
    def spacing(self) -> tuple[float, ...]:
        """The distance between neighbouring points along each axis of the grid, once the data have been read."""
        return tuple(axis.spacing for axis in self.axes if axis.spacing is not None)

    @property
    def state_names(self) -> tuple[str, ...]:
        """The names of the states, in order."""
        return tuple(state.name for state in self.states)

    @property
    def input_names(self) -> tuple[str, ...]:
        """The names of the inputs, in order."""
        return tuple(item.name for item in self.inputs)

    @property
    def observed_names(self) -> tuple[str, ...]:
        """The names of the observed states, in order."""
        return tuple(state.name for state in self.states if state.observed)
