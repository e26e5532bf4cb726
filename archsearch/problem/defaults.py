"""Fill in what a space file leaves open, and say what was filled in.

A value that was filled in is absent from `model_fields_set`: so `assumptions` tells it from one that was written.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from archsearch.problem import naming
from archsearch.problem.check_terms import names_in
from archsearch.problem.space import Role, SearchSpace, Slot, State, Table

AnyTable = TypeVar("AnyTable", bound=Table)
ROLES: dict[str, tuple[Role, ...]] = {"equation": ("add",), "term": ("replace",), "parameter": ("replace",)}
STARTS = {"first": "the first observation", "warmup": "a warm-up window", "continue": "the end of the training window"}
"""What a held-out rollout starts from, in words."""


def with_default(table: AnyTable, **values: Any) -> AnyTable:
    """A copy with other values, which still count as not written in the file."""
    written = set(table.model_fields_set)
    filled = table.model_copy(update=values)
    filled.model_fields_set.difference_update(set(values) - written)
    return filled


def fill(space: SearchSpace) -> SearchSpace:
    """A space with everything filled in that does not need the data."""
    written = "slots" in space.model_fields_set
    slots = tuple(_slot(slot) for slot in space.slots) if written else _default_slots(space)
    objective = space.objective
    if not objective.states:
        objective = with_default(objective, states=space.observed_names)
    states = tuple(_state(state) for state in space.states)
    return with_default(space, slots=slots, objective=objective, states=states)


def assumptions(space: SearchSpace) -> list[str]:
    """What a space file left open and how it was filled in, one sentence each."""
    found = [_about_grid, _about_terms, _about_slots, _about_states, _about_split]
    return [line for about in found for line in about(space)]


def _state(state: State) -> State:
    return with_default(state, positive=True) if state.scale == "log" and not state.positive else state


def _slot(slot: Slot) -> Slot:
    if "roles" in slot.model_fields_set:
        return slot
    return with_default(slot, roles=ROLES["equation" if slot.equation else "term" if slot.term else "parameter"])


def _default_slots(space: SearchSpace) -> tuple[Slot, ...]:
    """One additive net per equation that sees everything that there is to see."""
    seen = _visible(space)
    taken = {name for _, name, _ in naming.all_names(space)}
    slots = []
    for state in space.state_names:
        name = f"{state}_{'excess' if space.is_static else 'rate'}"
        while name in taken or name in naming.ATTRIBUTES:
            name += "_net"
        taken.add(name)
        slots.append(Slot(name=name, equation=state, inputs=seen))
    return tuple(slots)


def _visible(space: SearchSpace) -> tuple[str, ...]:
    """What a net may see: outputs of a static problem do not depend on each other."""
    return space.input_names if space.is_static else (*space.state_names, *space.input_names)


def _about_grid(space: SearchSpace) -> Iterator[str]:
    for axis in space.axes:
        if axis.spacing is not None and "spacing" not in axis.model_fields_set:
            unit = "" if axis.unit == "1" else f" {axis.unit}"
            yield f"the spacing along {axis.name} is that of its coordinates: {axis.spacing:g}{unit}"


def _about_terms(space: SearchSpace) -> Iterator[str]:
    if not space.terms:
        yield "no terms: there is no physics to keep, so nets and library terms carry the whole model"
    if space.library and "library" not in space.model_fields_set:
        yield (
            "no library: to each equation may be added `linear_...`, a weighted sum of what the nets see, and "
            "`interaction_...`, the state times a weighted sum of states"
        )
    expressions = [term.expression for term in space.terms] + [term.expression for term in space.library]
    used = frozenset[str]().union(*map(names_in, expressions))
    used |= {slot.parameter for slot in space.slots if slot.parameter}
    for parameter in space.parameters:
        if parameter.name not in used:
            yield f"parameter {parameter.name} is used by no expression: it is left out"


def _about_slots(space: SearchSpace) -> Iterator[str]:
    if "slots" not in space.model_fields_set:
        seen = ", ".join(_visible(space))
        states = ", ".join(space.state_names)
        yield f"no slots: a net may be added to the equation of each of {states}, seeing {seen}"
        return
    for slot in space.slots:
        if "roles" not in slot.model_fields_set:
            yield f"slot {slot.name} names no roles: {', '.join(slot.roles)}"


def _about_states(space: SearchSpace) -> Iterator[str]:
    for state in space.states:
        if state.positive and "positive" not in state.model_fields_set:
            yield f'state {state.name} is positive, since its scale is "log"'
    fitted = [state.name for state in space.states if state.observed and "initial" not in state.model_fields_set]
    if fitted and not space.is_static:
        yield f"initial values are fitted per trajectory, not taken from first samples: {', '.join(fitted)}"


def _about_split(space: SearchSpace) -> Iterator[str]:
    """What was left open of the split; known once the data have been read."""
    split, written = space.split, space.split.model_fields_set
    if "by" not in written:
        yield f"no kind of split named: by {split.by}"
    for key in ("validation_from", "validation", "test"):
        if getattr(split, key) is not None and key not in written:
            yield f"split.{key} is not given: {_said(key, getattr(split, key), space)}"
    if split.test is None and split.test_from is None and split.test_where is None:
        yield "no test data are set aside"
    if split.start is not None and "start" not in written and not space.is_static:
        yield f"held-out rollouts start from {STARTS[split.start]}"


def _said(key: str, value: float, space: SearchSpace) -> str:
    if key == "validation_from":
        return f"the last quarter of the samples, from {value:g} on, is held out for validation"
    return f"{value:.0%} of the {'samples' if space.is_static else 'trajectories'}, drawn by split.seed"
