"""What was asked: the quantities, the data and how they were split, the physics as given, and how it was searched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from archsearch.problem.problem import Part, Problem
from archsearch.problem.space import SearchSpace, State
from archsearch.problem.trajectories import over
from archsearch.report.wording import counted, listed
from archsearch.settings import Budget, RunSettings
from archsearch.study.record import RunRecord

USES = {"train": "fitted", "validation": "ranks the candidates", "test": "sealed"}
STARTS = {
    "first": "their first observation",
    "warmup": "a window of observations that is given and not scored",
    "continue": "the end of the fitted trajectory",
}


@dataclass(frozen=True)
class Quantity:
    """One quantity of the problem.

    Attributes:
        name: in the model.
        kind: `state`, `hidden state` or `input`.
        unit: `1` for a plain number.
        noise: the declared standard deviation of its measurement in words; empty if none is.
        description: of the space file.
    """

    name: str
    kind: str
    unit: str
    noise: str
    description: str


@dataclass(frozen=True)
class Share:
    """One part of the data: what it is for, and how much it is."""

    use: str
    trajectories: int
    scored: int


@dataclass(frozen=True)
class Asked:
    """What a reader must know of the question before the answer.

    Attributes:
        quantities: states and inputs.
        shares: the parts of the data.
        split: how they were divided, in a sentence.
        suspects: what of the physics was under suspicion, in a sentence.
        settings: how it was searched: name and value.
    """

    quantities: tuple[Quantity, ...]
    shares: tuple[Share, ...]
    split: str
    suspects: str
    settings: tuple[tuple[str, str], ...]


def asked(problem: Problem, record: RunRecord) -> Asked:
    """What was asked of a run.

    Args:
        problem: of the run.
        record: of the run.
    """
    parts = {name: part for name in USES if (part := problem.part(name)) is not None}  # type: ignore[arg-type]  # keys of USES
    return Asked(
        quantities=tuple(_quantities(problem.space)),
        shares=tuple(Share(USES[name], len(part.trajectories), _scored(part)) for name, part in parts.items()),
        split=_split(problem.space, problem.validation),
        suspects=_suspects(problem.space),
        settings=tuple(_settings(record)),
    )


def _quantities(space: SearchSpace) -> Iterator[Quantity]:
    for state in space.states:
        kind = "state" if state.observed else "hidden state"
        unit = "" if state.unit == "1" else f" {state.unit}"
        noise = (
            "" if state.noise is None else f"{state.noise:g}{unit}" if state.scale == "linear" else f"{state.noise:.0%}"
        )
        yield Quantity(state.name, kind, state.unit, noise, state.description)
    for item in space.inputs:
        yield Quantity(item.name, "input", item.unit, "", item.description)


def _noise(state: State) -> str:
    """The declared noise in words; empty if none is."""
    if state.noise is None:
        return ""
    if state.scale == "log":
        return f"{100 * state.noise:g}\u00a0%"
    return f"{state.noise:g}" if state.unit == "1" else f"{state.noise:g} {state.unit}"


def _scored(part: Part) -> int:
    """How many observations of a part count."""
    observed = part.trajectories.observed
    return int((over(part.scored, observed) & observed).sum())


def _split(space: SearchSpace, validation: Part) -> str:
    split, unit = space.split, "" if space.problem.time_unit == "1" else f" {space.problem.time_unit}"
    ways = {
        "time": "The last part of each trajectory is held out"
        + (f", from t = {split.validation_from:g}{unit} on" if split.validation_from is not None else ""),
        "trajectory": "Whole trajectories are held out",
        "region": f"Trajectories that begin where {split.validation_where} are held out",
    }
    return f"{ways[split.by]}; held-out rollouts start from {STARTS[validation.start]}."


def _suspects(space: SearchSpace) -> str:
    if not space.terms:
        return "No physics was given."
    suspect = [term.name for term in space.terms if term.trust == "suspect"]
    slots = counted(len(space.slots), "place")
    under = f"Of {counted(len(space.terms), 'term')} {listed(suspect)} may be replaced or left out" if suspect else ""
    library = f"{counted(len(space.library), 'term')} of the library may be added or put in their place"
    nets = f"a net may stand in {slots}: {listed([slot.name for slot in space.slots])}" if space.slots else ""
    told = [part for part in (under or "All terms are trusted", library if space.library else "", nets) if part]
    return "; ".join(told) + "."


def _settings(record: RunRecord) -> Iterator[tuple[str, str]]:
    settings, sandbox = record.settings, record.sandbox
    model = f" (LLM: {settings.llm.model})" if settings.llm.model else ""
    yield "proposer", settings.proposer + model
    yield "budget", _budgets(record)
    yield "seed", str(settings.seed)
    restarts = f", {settings.fit.restarts} starts each" if settings.fit.restarts > 1 else ""
    yield "fit", f"{settings.fit.method.replace('_', ' ')}{restarts}, at most {settings.limits.wall_seconds:g} s"
    yield "review", review_policy(settings)
    if sandbox:
        yield "walls", sandbox


def _budgets(record: RunRecord) -> str:
    """What the search might use at first, and in all since it was resumed with another budget."""
    later = [f"since {item.at[:10]} {_budget(item.budget)} in all" for item in record.later_budgets]
    return "; ".join([_budget(record.settings.budget), *later])


def _budget(budget: Budget) -> str:
    minutes = f", {budget.minutes:g} minutes" if budget.minutes is not None else ""
    return counted(budget.trials, "evaluation") + minutes


def review_policy(settings: RunSettings) -> str:
    """Who decided on proposals, in words."""
    if settings.review == "never":
        return "nobody: every proposal that passed the checks was evaluated"
    how = {"each": "a person, one by one", "batch": "a person, a batch at a time"}[settings.review]
    passed = listed(list(getattr(settings, "approve", ())))
    return f"{how}; {passed} passed without" if passed else how
