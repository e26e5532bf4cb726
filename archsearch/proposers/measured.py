"""What was measured in the training data, smoothed: the only data that anything said to an LLM is made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from archsearch.candidate.genome import Genome
from archsearch.candidate.plan import plan
from archsearch.errors import RequestError
from archsearch.problem.expressions import ExpressionError, parse
from archsearch.problem.problem import Problem
from archsearch.problem.space import Parameter, SearchSpace
from archsearch.problem.trajectories import Bools, Floats, Trajectories

STEPS = 60
WRONG = 1e6
"""What counts for a derivative that cannot be computed."""


@dataclass(frozen=True)
class Measured:
    """Training trajectories with their smooth.

    Attributes:
        space: what the columns mean.
        trajectories: as measured.
        smooth: (N, T, n), in the units of the states, NaN where a state is never observed.
        slopes: (N, T, n), the derivatives of the smooth, per time unit.
        noise: (n,), standard deviation of observation minus smooth.
    """

    space: SearchSpace
    trajectories: Trajectories
    smooth: Floats
    slopes: Floats
    noise: Floats

    @staticmethod
    def of(problem: Problem) -> Measured:
        """The training data of a problem; nothing else of it is looked at."""
        import torch

        from archsearch.training.data.smoothing import smooth

        known = problem.train.trajectories
        states = np.where(known.valid[..., None], known.states, np.nan)
        found = smooth(torch.from_numpy(known.times.copy()), torch.from_numpy(states))
        outside = ~known.valid[..., None]
        smoothed, slopes = (np.where(outside, np.nan, item.numpy()) for item in (found.states, found.derivatives))
        return Measured(problem.space, known, smoothed, slopes, found.noise.numpy())

    @property
    def valid(self) -> Bools:
        """(N, T): samples that are not padding."""
        return self.trajectories.valid

    def variables(self) -> dict[str, Floats]:
        """(K,) each: smoothed states, inputs and the time at all samples that are not padding."""
        valid = self.valid
        found = {name: self.smooth[..., j][valid] for j, name in enumerate(self.space.state_names)}
        found |= {name: self.trajectories.inputs[..., j][valid] for j, name in enumerate(self.space.input_names)}
        return found | {"t": self.trajectories.times[valid]}

    def column(self, state: str) -> int:
        """The place of a state among the last axes.

        Raises:
            RequestError: there is no such state.
        """
        names = self.space.state_names
        if state not in names:
            raise RequestError(f"There is no state '{state}'.", f"The states are {', '.join(names)}.")
        return names.index(state)

    def slope(self, state: str) -> Floats:
        """(K,): the derivative of a smoothed state.

        Raises:
            RequestError: there is no such state.
        """
        return self.slopes[..., self.column(state)][self.valid]


@dataclass(frozen=True)
class GivenPhysics:
    """The physics as given, fitted to the smoothed derivatives: a cheap look at what it misses.

    Attributes:
        parameters: the values that come closest.
        residuals: by state, (K,): smoothed derivative minus that of the physics.
        missing: states without observations that the physics needs, so that nothing can be said.
    """

    parameters: dict[str, float]
    residuals: dict[str, Floats]
    missing: tuple[str, ...] = ()

    @staticmethod
    def of(measured: Measured) -> GivenPhysics:
        """Fit the free parameters of the physics as given within their bounds."""
        space = measured.space
        drawn = plan(Genome(), space)
        variables = measured.variables()
        used = frozenset[str]().union(*(item.expression.names for item in drawn.quantities))
        missing = tuple(name for name in space.state_names if name in used and not np.isfinite(variables[name]).any())
        if missing or not drawn.quantities:
            return GivenPhysics({}, {}, missing)
        free = [parameter for parameter in drawn.parameters if not parameter.fixed]
        slopes = {state: measured.slope(state) for state in space.observed_names}

        def residuals(values: Floats) -> dict[str, Floats]:
            named = {parameter.name: parameter.value for parameter in drawn.parameters}
            named |= {parameter.name: float(value) for parameter, value in zip(free, values, strict=True)}
            rates = _rates(space, variables, named)
            return {state: slopes[state] - rates[state] for state in slopes}

        best = _least_squares(residuals, free, {state: size(slope) for state, slope in slopes.items()})
        found = {parameter.name: float(value) for parameter, value in zip(free, best, strict=True)}
        return GivenPhysics(found, residuals(best))


def size(values: Floats) -> float:
    """The root mean square of what is finite, to divide by; 1 where there is nothing but zeros."""
    found = rms(values)
    return found if found > 0 else 1.0


def rms(values: Floats) -> float:
    """The root mean square of what is finite; NaN where nothing is."""
    finite = values[np.isfinite(values)]
    return float(np.sqrt(np.square(finite).mean())) if finite.size else float("nan")


def evaluated(text: str, measured: Measured, parameters: dict[str, float]) -> Floats:
    """(K,): an expression over states, inputs, `t`, parameters and terms of the physics as given.

    Raises:
        RequestError: it is no expression, or uses a name that there is not.
    """
    values = _quantities(measured.space, measured.variables(), parameters)
    try:
        expression = parse(text)
    except ExpressionError as error:
        raise RequestError(error.message) from None
    strange = sorted(expression.names - values.keys())
    if strange:
        raise RequestError(f"There is no '{strange[0]}' here.", f"Known are {', '.join(sorted(values))}.")
    count = int(measured.valid.sum())
    return np.broadcast_to(expression.evaluate(values), (count,)).astype(np.float64)


def _quantities(space: SearchSpace, variables: dict[str, Floats], parameters: dict[str, float]) -> dict[str, Floats]:
    values = dict(variables) | {item.name: np.asarray(item.value) for item in space.parameters}
    values |= {name: np.asarray(value) for name, value in parameters.items()}
    for item in plan(Genome(), space).quantities:
        values[item.name] = item.expression.evaluate(values)
    return values


def _rates(space: SearchSpace, variables: dict[str, Floats], parameters: dict[str, float]) -> dict[str, Floats]:
    """By state, (K,): the derivatives of the physics as given."""
    values = _quantities(space, variables, parameters)
    rates = {state: np.zeros_like(variables["t"]) for state in space.state_names}
    for item in plan(Genome(), space).quantities:
        for state, sign in item.equations.items():
            rates[state] = rates[state] + (1.0 if sign == "+" else -1.0) * values[item.name]
    return rates


def _least_squares(
    residuals: Callable[[Floats], dict[str, Floats]], free: list[Parameter], sizes: dict[str, float]
) -> Floats:
    """The parameters of least squared residuals, each equation in units of its own derivative."""
    from scipy.optimize import least_squares

    start = np.array([parameter.value for parameter in free])
    if not free:
        return start
    low = np.array([-np.inf if parameter.low is None else parameter.low for parameter in free])
    high = np.array([np.inf if parameter.high is None else parameter.high for parameter in free])

    def wrong(values: Floats) -> Floats:
        found = residuals(values)
        scaled = np.concatenate([found[state] / sizes[state] for state in found])
        clipped: Floats = np.clip(np.nan_to_num(scaled, nan=0.0, posinf=WRONG, neginf=-WRONG), -WRONG, WRONG)
        return clipped

    inside = np.clip(start, low + 1e-12 * np.abs(start), high - 1e-12 * np.abs(start))
    scale = np.where(start == 0, 1.0, np.abs(start))
    found: Floats = least_squares(wrong, inside, bounds=(low, high), x_scale=scale, max_nfev=STEPS).x
    return found
