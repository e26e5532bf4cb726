"""What a space file means: everything that is wrong with its names, its values and where its data come from."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from archsearch.errors import did_you_mean
from archsearch.problem import check_grid, check_split, check_static, check_terms, check_units, naming
from archsearch.problem.findings import show
from archsearch.problem.naming import Known
from archsearch.problem.space import Bounds, Parameter, SearchSpace, State

REMEDIES = {"low": "; leave it out for no bound", "value": "", "high": "; leave it out for no bound"}
REMEDIES |= {"reference": "; leave it out if there is none"}
"""What to do about a number of a parameter that is not finite."""

SPARE_NAMES = ("states", "inputs", "axes", "constraints")
"""Lists whose names are never attributes of a model, and so may be `train` or `double`."""


def check_meaning(space: SearchSpace, unread: frozenset[str], skipped: frozenset[str]) -> list[str]:
    """Everything that is wrong with a space that pydantic could read.

    Args:
        space: as far as it could be read.
        unread: names of tables that could not be read.
        skipped: `units`, `split` and `unused` quantities are not checked where something of theirs could not be read.
    """
    known = Known({name: kind for _, name, kind in naming.all_names(space)}, unread)
    found = [*_names(space), *_data(space), *_states(space), *_parameters(space), *_objective(space, known)]
    found += [] if "split" in skipped else check_split.findings(space, known)
    found += check_terms.findings(space, known)
    found += check_static.findings(space) if space.is_static else []
    found += check_grid.findings(space)
    found += [] if "unused" in skipped else check_terms.unused(space)
    return found + ([] if "units" in skipped else check_units.findings(space))


def _names(space: SearchSpace) -> Iterator[str]:
    """Names are unique over the whole file, and leave the words of the model language alone."""
    names = naming.all_names(space)
    counts = Counter(name for _, name, _ in names)
    for name, count in counts.items():
        if count > 1:
            kinds = " and ".join(kind for _, other, kind in names if other == name)
            yield f"{_lists(names, name)}.{name}: expected a name of its own, found it {count} times ({kinds})"
    for where, name, kind in names:
        if name in (naming.VALUES if where in SPARE_NAMES else naming.ATTRIBUTES):
            yield f"{where}.{name}: expected another name for this {kind}, found '{name}', a word of the model language"


def _lists(names: list[tuple[str, str, str]], name: str) -> str:
    return next(where for where, other, _ in reversed(names) if other == name)


def _data(space: SearchSpace) -> Iterator[str]:
    data = space.data
    if data.file is None and data.simulator is None:
        yield 'data: expected file = "..." or simulator = "...", found neither'
    if data.file is not None and data.simulator is not None:
        yield f"data: expected either a file or a simulator, found both '{data.file}' and '{data.simulator}'"
    if data.simulator is not None:
        yield from _simulator(data.simulator)
    columns = [] if space.is_static else [("data.time", data.time)]
    columns += [("data.trajectory", data.trajectory)] if data.trajectory else []
    columns += [(f"states.{state.name}.column", state.column or state.name) for state in space.states if state.observed]
    columns += [(f"inputs.{item.name}.column", item.column or item.name) for item in space.inputs]
    columns += [(f"axes.{axis.name}.column", axis.column or axis.name) for axis in space.axes]
    owners: dict[str, str] = {}
    for key, column in columns:
        if column in owners:
            yield f"{key}: expected a column of its own, found '{column}', which {owners[column]} uses already"
        owners.setdefault(column, key)


def _simulator(name: str) -> Iterator[str]:
    from archsearch.systems import SIMULATORS

    if name not in SIMULATORS:
        known = sorted(SIMULATORS)
        yield f"data.simulator: expected one of {', '.join(known)}, found '{name}'{did_you_mean(name, known)}"


def _states(space: SearchSpace) -> Iterator[str]:
    if not space.states:
        yield "states: expected [[states]] with at least one name, found none"
    elif not space.observed_names:
        yield "states: expected at least one observed state, found observed = false on all of them"
    for state in space.states:
        yield from (f"states.{state.name}.{finding}" for finding in _state(state))


def _state(state: State) -> Iterator[str]:
    if state.scale == "log" and "positive" in state.model_fields_set and not state.positive:
        yield "scale: expected \"linear\" for a state with positive = false, found 'log'; logs need positive states"
    if not state.observed and isinstance(state.initial, str):
        found = "found none" if "initial" not in state.model_fields_set else f"found '{state.initial}'"
        yield f"initial: expected a number or {{low = ..., high = ...}} for a state that is not observed, {found}"
    if isinstance(state.initial, Bounds):
        yield from _ordered("initial", state.initial.low, state.initial.high)
    yield from _initial_values(state)


def _initial_values(state: State) -> Iterator[str]:
    """Known and bounded initial values are finite, and as positive as the state."""
    initial = state.initial
    if isinstance(initial, str):
        return
    for number in (initial.low, initial.high) if isinstance(initial, Bounds) else (initial,):
        if not math.isfinite(number):
            yield f"initial: expected finite numbers, found {number}"
        elif state.scale == "log" and number <= 0:
            yield f'initial: expected a number above 0 for scale = "log", found {number:g}'
        elif state.positive and number < 0:
            yield f"initial: expected at least 0 for a positive state, found {number:g}"


def _ordered(key: str, low: float, high: float) -> Iterator[str]:
    if low >= high:
        yield f"{key}: expected low < high, found low = {low:g} and high = {high:g}"


def _parameters(space: SearchSpace) -> Iterator[str]:
    for parameter in space.parameters:
        yield from (f"parameters.{parameter.name}.{finding}" for finding in _parameter(parameter))


def _parameter(parameter: Parameter) -> Iterator[str]:
    low, value, high = parameter.low, parameter.value, parameter.high
    infinite = [name for name in REMEDIES if not math.isfinite(getattr(parameter, name) or 0.0)]
    for name in infinite:
        yield f"{name}: expected a finite number, found {getattr(parameter, name)}{REMEDIES[name]}"
    if set(infinite) - {"reference"}:
        return
    if low is not None and high is not None and low >= high:
        yield f"low: expected low < high, found low = {low:g} and high = {high:g}"
    elif not _inside(parameter):
        bounds = f"{'-inf' if low is None else f'{low:g}'} and {'inf' if high is None else f'{high:g}'}"
        where = "within" if parameter.fixed else "strictly between"
        yield f"value: expected a number {where} {bounds}, found {value:g}"


def _inside(parameter: Parameter) -> bool:
    """Whether the start value is within the bounds; strictly, if it is fitted, since bounds are never reached."""
    low = -math.inf if parameter.low is None else parameter.low
    high = math.inf if parameter.high is None else parameter.high
    return low <= parameter.value <= high if parameter.fixed else low < parameter.value < high


def _objective(space: SearchSpace, known: Known) -> Iterator[str]:
    for name in space.objective.states:
        wrong = known.unfit(name, "state")
        if wrong:
            yield f"objective.states: {wrong}"
        elif name in space.state_names and name not in space.observed_names:
            yield f"objective.states: expected observed states, found {show(name)}, which is not observed"
