"""What the nets of a model learned, as a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from archsearch.candidate.net_declarations import declared_nets
from archsearch.problem.problem import Problem
from archsearch.problem.trajectories import Floats, over
from archsearch.report.drawing import (
    BEST_STYLE,
    COLOURS,
    NARROW_BELOW,
    WIDE,
    dots,
    house_style,
    labelled,
    new_figure,
    plain_ticks,
)

if TYPE_CHECKING:
    from archsearch.hybrid import Net, NetModule

GRID = 61
LEVELS = 14
MOST_PANELS = 4
MOST_POINTS = 401
"""Of a field, whose every point says where the data are."""
ROLES = {"add": "what {} adds", "scale": "the factor {}", "replace": "{}", "map": "{}"}


@dataclass(frozen=True)
class Picture:
    """One panel: one output of a net over one or two of its inputs, the others at their median.

    Attributes:
        title: what is shown.
        axes: the names of the inputs that vary, one or two.
        points: (K, inputs of the net), where the fitted rollouts are.
        module: the net with its weights.
        output: which of its outputs.
    """

    title: str
    axes: tuple[str, ...]
    points: Floats
    module: NetModule
    output: int


def learned_figure(
    problem: Problem, source: str, weights: bytes, predictions: Mapping[str, Floats], width: float = WIDE
) -> Figure | None:
    """Each net as a curve over its one input, or as a map over two; None if there is no net.

    Args:
        problem: names and units.
        source: the candidate; only its declarations are read.
        weights: in the safetensors format.
        predictions: where the fitted rollouts are decides the range that is drawn.
        width: in inches.
    """
    pictures = _pictures(problem, source, weights, predictions)[:MOST_PANELS]
    if not pictures:
        return None
    columns = 1 if width < NARROW_BELOW else min(2, len(pictures))
    rows = -(-len(pictures) // columns)
    with house_style():
        figure = new_figure(width, 2.9 * rows)
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, picture in zip(grid, pictures, strict=False):
            (_curve if len(picture.axes) == 1 else _map)(axes, problem, picture)
        for axes in grid[len(pictures) :]:
            axes.set_visible(False)
    return figure


def _pictures(problem: Problem, source: str, weights: bytes, predictions: Mapping[str, Floats]) -> list[Picture]:
    """The panels of all nets; a net of more than two inputs has one for each of them."""
    found = []
    for name, net in declared_nets(source).items():
        module, points = _module(name, net, weights), _points(problem, net.inputs, predictions)
        for output, state in enumerate(net.outputs or ("",)):
            title = ROLES[net.role].format(name) + (f" to {state}" if state else "")
            masks = [net.inputs] if len(net.inputs) <= 2 else [(item,) for item in net.inputs]
            found += [Picture(title, tuple(mask), points, module, output) for mask in masks]
    return found


def _module(name: str, net: Net, weights: bytes) -> NetModule:
    """The net with its weights. Only what ships with archsearch is run, never the candidate's own code."""
    import torch
    from safetensors.torch import load

    from archsearch.hybrid import NetModule

    arrays = load(weights)
    module = NetModule(net, torch.Generator().manual_seed(0))
    stored = {key: arrays[f"net.{name}.{key}"] for key in module.state_dict()}
    module.load_state_dict(stored)
    return module.requires_grad_(False)


def _points(problem: Problem, names: Sequence[str], predictions: Mapping[str, Floats]) -> Floats:
    """(K, inputs): states of the fitted rollouts and inputs, at the training samples."""
    data, states = problem.train.trajectories, predictions["train.states"]
    columns = {name: states[..., i] for i, name in enumerate(problem.space.state_names)}
    columns |= {name: over(data.inputs[..., i], states[..., 0]) for i, name in enumerate(problem.space.input_names)}
    valid = np.broadcast_to(over(data.valid, states[..., 0]), states.shape[:-1])
    points = np.stack([np.broadcast_to(columns[name], valid.shape)[valid] for name in names], -1)
    points = points[np.isfinite(points).all(1)]
    return points[:: -(-len(points) // MOST_POINTS)] if problem.space.is_field else points


def _values(picture: Picture, varied: Mapping[str, Floats]) -> Floats:
    """The output where some inputs vary and the others stay at their median."""
    import torch

    shape = next(iter(varied.values())).shape
    names = picture.module.inputs
    middle = dict(zip(names, np.median(picture.points, axis=0), strict=True))
    values = [torch.as_tensor(varied.get(name, np.full(shape, middle[name]))) for name in names]
    found = picture.module(*values, instead_of=torch.zeros(()))
    output = found[picture.output] if isinstance(found, tuple) else found
    result: Floats = output.numpy()
    return result


def _span(picture: Picture, name: str) -> Floats:
    """The range of an input in the fitted rollouts."""
    column = picture.points[:, picture.module.inputs.index(name)]
    return np.linspace(column.min(), column.max(), GRID)


def _curve(axes: Axes, problem: Problem, picture: Picture) -> None:
    """One input: a curve, with marks where the data are."""
    (name,) = picture.axes
    span = _span(picture, name)
    axes.plot(span, _values(picture, {name: span}), **BEST_STYLE)
    column = picture.points[:, picture.module.inputs.index(name)]
    axes.plot(column, np.zeros_like(column), transform=axes.get_xaxis_transform(), **dots(COLOURS["ink"], 7, "|"))
    plain_ticks(axes, 6, 5)
    axes.set_xlabel(_label(problem, name))
    others = [other for other in picture.module.inputs if other != name]
    axes.set_title(picture.title + (f", {' and '.join(others)} at the median" if others else ""), loc="left")


def _map(axes: Axes, problem: Problem, picture: Picture) -> None:
    """Two inputs: a map, with dots where the data are; elsewhere the net extrapolates."""
    first, second = picture.axes
    across, up = np.meshgrid(_span(picture, first), _span(picture, second))
    drawn = axes.contourf(across, up, _values(picture, {first: across, second: up}), levels=LEVELS, cmap="viridis")
    drawn.set_edgecolor("face")  # else thin lines of the background show between the levels
    axes.plot(picture.points[:, 0], picture.points[:, 1], **dots("#ffffff", 3.2, markeredgecolor="#000000"))
    bar = axes.figure.colorbar(drawn, ax=axes)
    bar.outline.set_visible(False)
    plain_ticks(axes, 5, 5)
    axes.grid(visible=False)
    axes.set_xlabel(_label(problem, first))
    axes.set_ylabel(_label(problem, second))
    axes.set_title(picture.title, loc="left")


def _label(problem: Problem, name: str) -> str:
    """A state or an input with its unit."""
    units = {state.name: state.unit for state in problem.space.states}
    units |= {item.name: item.unit for item in problem.space.inputs}
    return labelled(name, units.get(name, "1"))
