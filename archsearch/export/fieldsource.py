"""Training trajectories of fields, as source."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from archsearch.export.literals import literal
from archsearch.export.netsource import array_source
from archsearch.problem.problem import Part
from archsearch.problem.space import SearchSpace

MOST_NUMBERS = 20_000
"""The file carries the fitted first frames of training trajectories up to this many numbers, and of one at least."""


def field_training(space: SearchSpace, train: Part, arrays: Mapping[str, Tensor]) -> str:
    """Times, inputs and fitted first frames of training trajectories, as many as fit in the file."""
    lines, numbers, data = ["{"], 0, train.trajectories
    for row, (name, length) in enumerate(zip(data.ids, data.lengths.tolist(), strict=True)):
        initial = arrays.get(f"initial.{name}")
        numbers += 0 if initial is None else initial.numel()
        if initial is None or (len(lines) > 1 and numbers > MOST_NUMBERS):
            continue
        inputs = {key: data.inputs[row, :length, i].tolist() for i, key in enumerate(space.input_names)}
        lines += [
            f"    {literal(name)}: {{",
            f'        "times": {literal(data.times[row, :length].tolist(), " " * 8)},',
        ]
        lines += [f'        "inputs": {literal(inputs, " " * 8)},', '        "initial": {']
        for state, frame in zip(space.state_names, initial.unbind(-1), strict=True):
            lines.append(f"            {literal(state)}: {array_source(frame.contiguous(), ' ' * 12)},")
        lines += ["        },", "    },"]
    return "\n".join([*lines, "}"])
