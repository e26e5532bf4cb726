"""What is wrong with a space file without time: whatever speaks of time, or of outputs as if they were known."""

from __future__ import annotations

from collections.abc import Iterator

from archsearch.problem import naming
from archsearch.problem.check_terms import names_in
from archsearch.problem.space import SearchSpace

WHY = 'with kind = "static"'


def findings(space: SearchSpace) -> list[str]:
    """Everything that makes no sense without time."""
    return [*_tables(space), *_states(space), *_expressions(space)]


def _tables(space: SearchSpace) -> Iterator[str]:
    """Keys that say something of time or of trajectories."""
    if not space.inputs:
        yield f"inputs: expected [[inputs]] with at least one name {WHY}, found none"
    for key in ("time", "trajectory"):
        if key in space.data.model_fields_set:
            yield f"data.{key}: expected none {WHY}, where each row is a sample, found '{getattr(space.data, key)}'"
    for key in ("start", "warmup"):
        if key in space.split.model_fields_set:
            yield f"split.{key}: expected none {WHY}, where nothing starts, found '{getattr(space.split, key)}'"
    if space.split.by == "time" and "by" in space.split.model_fields_set:
        yield f'split.by: expected "trajectory" or "region" {WHY}, found \'time\'; each row counts as a trajectory'


def _states(space: SearchSpace) -> Iterator[str]:
    for state in space.states:
        if not state.observed:
            yield f"states.{state.name}.observed: expected true {WHY}, since a state is an output, found false"
        if "initial" in state.model_fields_set:
            yield f"states.{state.name}.initial: expected none {WHY}, found '{state.initial}'"


def _expressions(space: SearchSpace) -> Iterator[str]:
    """Outputs follow from inputs alone."""
    unknown = {*space.state_names, naming.TIME}
    for where, items in (("terms", space.terms), ("library", space.library)):
        for item in items:
            for name in sorted(names_in(item.expression) & unknown):
                yield f"{where}.{item.name}.expression: expected inputs and parameters {WHY}, found '{name}'"
    for slot in space.slots:
        for name in sorted(set(slot.inputs) & unknown):
            yield f"slots.{slot.name}.inputs: expected inputs {WHY}, found '{name}', an output"
