"""What an LLM is told of a problem: what is asked, what may be used, and what the training data look like."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from archsearch.candidate.genes import choices
from archsearch.problem.problem import Problem
from archsearch.problem.space import LibraryTerm, Parameter, SearchSpace, Slot, Term
from archsearch.problem.trajectories import Floats
from archsearch.proposers.measured import GivenPhysics, Measured, size
from archsearch.proposers.prompts import prompt
from archsearch.proposers.trends import correlations, fifths, four, listed, told

MOST_STATES = 12
"""States beyond this many are not described one by one: the text would be long, and nobody would read it."""
NOTHING = ["none"]


def problem_prompt(problem: Problem, measured: Measured, physics: GivenPhysics) -> str:
    """The part of a question that is the same in the whole run.

    Only the training part of the data has any influence on it. References of parameters, and where simulated data come
    from, are left out: they are there to compare with afterwards.
    """
    space = problem.space
    return prompt(
        "problem",
        title=space.problem.title,
        description=space.problem.description.strip() or "No description was given.",
        time_unit=space.problem.time_unit,
        states=[_state(space, name) for name in space.state_names],
        inputs=listed([f"{item.name} [{item.unit}] {item.description}".strip() for item in space.inputs]),
        parameters=[_parameter(item) for item in space.parameters] or NOTHING,
        terms=[_term(item) for item in space.terms] or NOTHING,
        library=[_library_term(item) for item in space.library] or NOTHING,
        slots=[_slot(item) for item in space.slots] or NOTHING,
        constraints=[f"{item.name}: {item.expression}" for item in space.constraints] or NOTHING,
        genes=[f"{name}: {listed([str(value) for value in choice.values])}" for name, choice in choices(space).items()],
        data=data_prompt(measured, physics).strip(),
    )


def data_prompt(measured: Measured, physics: GivenPhysics) -> str:
    """The summary of the training data."""
    states = measured.space.observed_names[:MOST_STATES]
    return prompt(
        "data",
        extent=_extent(measured),
        ranges=[_range(measured, state) for state in states],
        slopes=[] if measured.space.is_static else [_slopes(measured, state) for state in states],
        physics=_physics(measured, physics),
        residuals=_residuals(measured, physics),
    )


def _state(space: SearchSpace, name: str) -> str:
    state = next(item for item in space.states if item.name == name)
    facts = ["" if state.observed else "not measured", "positive" if state.positive else ""]
    facts += ["on a logarithmic scale" if state.scale == "log" else ""]
    counted = space.objective.states or space.observed_names
    facts += ["" if name in counted else "does not count in the score"]
    return _joined(f"{name} [{state.unit}]", state.description, *facts)


def _parameter(item: Parameter) -> str:
    bounds = "fixed" if item.fixed else f"from {four(item.low)} to {four(item.high)}"
    return _joined(f"{item.name} [{item.unit}] = {four(item.value)}, {bounds}", item.description)


def _term(item: Term) -> str:
    return _joined(f"{item.name} = {item.expression} ({_places(item.equations)}; {item.trust})", item.description)


def _library_term(item: LibraryTerm) -> str:
    place = f"in the place of {item.replaces}" if item.replaces else _places(item.equations)
    return _joined(f"{item.name} = {item.expression} ({place})", item.description)


def _places(equations: Mapping[str, str]) -> str:
    stands = ", ".join(f"{sign} in d{state}/dt" for state, sign in equations.items())
    return stands or "in no equation itself: other terms use it"


def _slot(item: Slot) -> str:
    place = f"in d{item.equation}/dt" if item.equation else f"on {item.term or item.parameter}"
    known = item.structure.model_dump(exclude_defaults=True)
    structure = f"; known: {', '.join(f'{key}={value}' for key, value in known.items())}" if known else ""
    head = f"{item.name}: a net {place}, role {' or '.join(item.roles)}, may see {', '.join(item.inputs)}{structure}"
    return _joined(head, item.description)


def _joined(head: str, *facts: str) -> str:
    return "; ".join([head, *(" ".join(fact.split()) for fact in facts if fact)])


# ---- the data -------------------------------------------------------------------------------------------------------


def _extent(measured: Measured) -> str:
    known = measured.trajectories
    samples = int(known.valid.sum())
    counts = f"{samples} samples in {len(known)} {'trajectory' if len(known) == 1 else 'trajectories'}"
    if measured.space.is_static:
        return f"Training data: {samples} samples, without time."
    unit = measured.space.problem.time_unit
    steps = np.diff(known.times, axis=1)[known.valid[:, 1:]]
    first, last = float(known.times[known.valid].min()), float(known.times[known.valid].max())
    spacing = f"{four(float(np.median(steps)))} {unit} apart (median)" if steps.size else "one each"
    return f"Training data: {counts}, from {four(first)} to {four(last)} {unit}, {spacing}."


def _range(measured: Measured, state: str) -> str:
    j = measured.space.state_names.index(state)
    unit = measured.space.states[j].unit
    seen = measured.trajectories.states[..., j][measured.valid]
    values = seen[np.isfinite(seen)]
    slope = size(measured.slope(state))
    spread = float(values.std()) if values.size else float("nan")
    scale = f"{four(spread / slope)} {measured.space.problem.time_unit}" if values.size else "-"
    numbers = [float(values.min()), float(values.max()), float(values.mean()), spread] if values.size else [np.nan] * 4
    noise = f"{four(float(measured.noise[j]))}{_declared_noise(measured, j)}"
    return " | ".join([state, unit, *(four(number) for number in numbers), noise, scale])


def _declared_noise(measured: Measured, j: int) -> str:
    declared = measured.space.states[j].noise
    return f" (said to be {four(declared)})" if declared is not None else ""


def _slopes(measured: Measured, state: str) -> str:
    slope, variables = measured.slope(state), measured.variables()
    found = correlations(slope, variables)
    curves = [_curve(slope, name, variables[name]) for name in list(found)[:2]]
    return f"d{state}/dt: correlates with {told(found)}. {' '.join(curves)}".strip()


def _curve(slope: Floats, name: str, values: Floats) -> str:
    points = ", ".join(f"{four(middle)} -> {four(height)}" for middle, height in fifths(slope, values))
    return f"Against {name}: {points}."


def _physics(measured: Measured, physics: GivenPhysics) -> str:
    if physics.missing:
        return f"Nothing is said of residuals: the physics needs {listed(physics.missing)}, which nobody measured."
    if not physics.residuals:
        return "There is no physics as given to compare with."
    values = listed([f"{name} = {four(value)}" for name, value in physics.parameters.items()])
    worst = max(physics.residuals, key=lambda state: _missed(measured, physics, state))
    head = f"The physics as given, fitted to these derivatives ({values}), misses most in the equation of {worst}."
    return f"{head} What it leaves of each derivative, as a share of its size:"


def _residuals(measured: Measured, physics: GivenPhysics) -> list[str]:
    lines = []
    for state in list(physics.residuals)[:MOST_STATES]:
        residual, variables = physics.residuals[state], measured.variables()
        found = correlations(residual, variables)
        curves = [_curve(residual, name, variables[name]) for name in list(found)[:1]]
        share = four(_missed(measured, physics, state))
        lines.append(f"d{state}/dt: {share}; correlates with {told(found)}. {' '.join(curves)}".strip())
    return lines


def _missed(measured: Measured, physics: GivenPhysics, state: str) -> float:
    """The residual of an equation as a share of its derivative."""
    return size(physics.residuals[state]) / size(measured.slope(state))
