"""A library for problems without any physics: linear rates, and each state times a linear rate."""

from __future__ import annotations

import math
import re

import numpy as np

from archsearch.problem import naming
from archsearch.problem.defaults import with_default
from archsearch.problem.space import LibraryTerm, Parameter, SearchSpace
from archsearch.problem.trajectories import Floats, Trajectories

MOST_STATES = 6
"""With more states than this, a term would have more parameters than a person reads."""

MARGIN = 10.0
"""Bounds of a coefficient, as a multiple of what the largest measured rate would need."""


def with_default_library(space: SearchSpace, train: Trajectories) -> SearchSpace:
    """A space with library terms, if it is a process off a grid that has no terms, no library, and observes all states.

    For each state, `linear_x` is a sum over states and inputs, and `interaction_x` is x times such a sum over states:
    with both, Lotka-Volterra and mass-action kinetics of two partners are in reach without a net.
    """
    written = space.model_fields_set & {"terms", "library"}
    if (
        written
        or space.is_static
        or space.is_field
        or len(space.states) > MOST_STATES
        or space.observed_names != space.state_names
    ):
        return space
    parameters, terms = _terms(space, train)
    taken = {name for _, name, _ in naming.all_names(space)} | naming.ATTRIBUTES
    if taken & ({item.name for item in parameters} | {item.name for item in terms}):
        return space
    return with_default(space, parameters=(*space.parameters, *parameters), library=tuple(terms))


def _terms(space: SearchSpace, train: Trajectories) -> tuple[list[Parameter], list[LibraryTerm]]:
    """The library terms and their coefficients, bounded by what the training data can need."""
    rates = dict(zip(space.state_names, _rates(train).tolist(), strict=True))
    sizes = _sizes(space, train)
    parameters, terms = [], []
    for state in space.state_names:
        for kind in ("linear", "interaction"):
            factor = state if kind == "interaction" else None
            seen = space.state_names if factor else (*space.state_names, *space.input_names)
            partners = {f"{kind}_{state}_{name}": [name, factor] if factor else [name] for name in seen}
            for coefficient, names in partners.items():
                bound = MARGIN * rates[state] / math.prod(sizes[name] for name in names)
                parameters.append(_coefficient(space, coefficient, bound, state, names))
            total = " + ".join(f"{coefficient} * {names[0]}" for coefficient, names in partners.items())
            expression = f"{factor} * ({total})" if factor else total
            terms.append(LibraryTerm(name=f"{kind}_{state}", expression=expression, equations={state: "+"}))
    return parameters, terms


def _coefficient(space: SearchSpace, name: str, bound: float, state: str, partners: list[str]) -> Parameter:
    units = {item.name: item.unit for item in space.states} | {item.name: item.unit for item in space.inputs}
    unit = _unit(units[state], [space.problem.time_unit, *(units[partner] for partner in partners)])
    rounded = float(f"{bound:.2g}")
    return Parameter(name=name, value=0.0, unit=unit, low=-rounded, high=rounded)


def _rates(train: Trajectories) -> Floats:
    """(n,), the largest change per time of each state between samples that follow each other; 1 if there is none."""
    steps = np.diff(train.times, axis=1)[..., None]
    changes = np.abs(np.diff(train.states, axis=1)) / np.where(steps > 0, steps, np.inf)
    largest = np.max(np.nan_to_num(changes, nan=0.0), axis=(0, 1), initial=0.0)
    return np.where(largest > 0, largest, 1.0)


def _sizes(space: SearchSpace, train: Trajectories) -> dict[str, float]:
    """The largest magnitude of each state and input; 1 for what is always zero."""
    values = np.abs(np.concatenate([train.states, train.inputs], axis=2)[train.valid])
    largest = np.max(np.nan_to_num(values, nan=0.0), axis=0, initial=0.0).tolist()
    names = (*space.state_names, *space.input_names)
    return {name: size or 1.0 for name, size in zip(names, largest, strict=True)}


def _unit(numerator: str, denominator: list[str]) -> str:
    """A quotient of units, with what stands on both sides left out."""
    below = [unit for unit in denominator if unit not in ("1", "-")]
    if numerator in below:
        below.remove(numerator)
        numerator = "1"
    joined = "*".join(_grouped(unit) for unit in below)
    return numerator if not below else f"{_grouped(numerator)}/{joined if len(below) == 1 else f'({joined})'}"


def _grouped(unit: str) -> str:
    return f"({unit})" if re.search(r"[/* ]", unit) else unit
