"""The Jacobian of sampling intervals, layer by layer: one backward pass per state through all stages at once.

The derivative of a slope by a weight is what enters its layer times what comes back to it. Stages are differentiated
each by itself, side by side, and put together by the small matrices that lead from a slope to the end of its interval.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from archsearch.hybrid import HybridModel
from archsearch.hybrid.nets import Layer
from archsearch.training.flow.integrate import NODES, SLOPES, WEIGHTS, Coordinates, runge_kutta_stages
from archsearch.training.flow.sensitivities import Intervals, Transitions, by_sample, substituted_field

FEW = 3
"""Intervals on which the two ways are compared."""
ALIKE = 1e-8


def by_layer(model: HybridModel, coordinates: Coordinates, over: Intervals, substeps: int) -> Transitions | None:
    """What `by_sample` gives, many times faster; None if a net does not act on each sample by itself.

    Reference:
        Goodfellow (2015), "Efficient per-example gradient computations", arXiv 1510.01799; the adjoint of an explicit
        Runge-Kutta step as in Hairer, Lubich & Wanner (2006), "Geometric Numerical Integration", section VI.4.
    """
    slopes = _slopes(model, coordinates, _stage_points(model, coordinates, over, substeps))
    if slopes is None:
        return None
    shape = substeps, len(NODES), *over.z.shape, over.z.shape[-1]
    by_state, to_end = _led_to_the_end(slopes.by_state.reshape(shape), over.h / substeps)
    to_end = to_end.flatten(0, 1)
    by_raw = slopes.by_raw.reshape(*to_end.shape[:3], -1)
    blocks = {"raw": torch.einsum("sbij,sbjp->bip", to_end, by_raw)}
    for (name, index), calls in slopes.calls.items():
        blocks |= _layer_blocks(model, name, index, calls, to_end)
    return Transitions(by_state, _in_order(model, blocks, *over.z.shape))


def agree(model: HybridModel, coordinates: Coordinates, over: Intervals, substeps: int) -> bool:
    """Whether the fast way is right for this candidate: compared with the general one on a few intervals."""
    few = over.first(FEW)
    fast = by_layer(model, coordinates, few, substeps)
    if fast is None:
        return False
    slow = by_sample(model, coordinates, few, substeps)
    if not slow.by_unknowns.numel():
        return False
    size = slow.by_unknowns.abs().amax().clamp(min=1e-300)
    wrong = (fast.by_unknowns - slow.by_unknowns).abs().amax()
    return bool(wrong <= ALIKE * size) or not bool(torch.isfinite(size))


@torch.no_grad()
def _stage_points(model: HybridModel, coordinates: Coordinates, over: Intervals, substeps: int) -> Intervals:
    """Where slopes are asked for, stage after stage of step after step: S 4 B points."""
    field, part, z = coordinates.field(model), over.h / substeps, over.z
    points, times = list[Tensor](), list[Tensor]()
    with model.prepared():
        for i in range(substeps):
            start = over.t + i * part
            found, z = runge_kutta_stages(field, z, start, part, over.u)
            points += found
            times += [start + node * part for node in NODES]
    many = len(points)
    return Intervals(torch.cat(points), torch.cat(times), over.h.repeat(many), over.u.repeat(many, 1))


@dataclass(frozen=True)
class _Call:
    """One call of one layer of a net at Q points.

    Attributes:
        layer: what entered and left it.
        came: by slope, (Q, out): the derivative of that slope by what left it; only of slopes that depend on it.
    """

    layer: Layer
    came: dict[int, Tensor]


@dataclass(frozen=True)
class _Slopes:
    """Derivatives of slopes at Q points.

    Attributes:
        by_state: (Q, n, n).
        by_raw: (Q, n, raw parameters).
        calls: of all layers of the nets, by net and layer.
    """

    by_state: Tensor
    by_raw: Tensor
    calls: dict[tuple[str, int], list[_Call]]


def _slopes(model: HybridModel, coordinates: Coordinates, at: Intervals) -> _Slopes | None:
    """By one backward pass per state; None if what enters a layer is not one row per point."""
    many, n = at.z.shape
    with torch.enable_grad(), _tapped(model) as taps:
        raw = model.raw.detach().expand(many, -1).clone().requires_grad_(True)
        z = at.z.detach().clone().requires_grad_(True)
        found = substituted_field(model, coordinates, {"raw": raw})(at.t, z, at.u)
        layers = [(name, layer) for name, noted in taps.items() for layer in noted]
        if any(layer.entered.shape[:-1] != (many,) for _, layer in layers):
            return None
        of = [raw, z, *(layer.left for _, layer in layers)]
        rows = [torch.autograd.grad(found[:, i].sum(), of, retain_graph=True, allow_unused=True) for i in range(n)]
    by_raw, by_state = (
        torch.stack([torch.zeros_like(like) if row[k] is None else row[k] for row in rows], 1)
        for k, like in enumerate((raw, z))
    )
    calls: dict[tuple[str, int], list[_Call]] = {}
    for k, (name, layer) in enumerate(layers, start=2):
        came = {i: row[k] for i, row in enumerate(rows) if row[k] is not None and _counts(row[k])}
        calls.setdefault((name, layer.index), []).append(_Call(layer, came))
    return _Slopes(by_state, by_raw, calls)


def _counts(came: Tensor) -> bool:
    """Whether a slope depends on a layer at all; not asked where the answer must be waited for."""
    return came.device.type != "cpu" or bool(came.any())


def _led_to_the_end(by_state: Tensor, part: Tensor) -> tuple[Tensor, Tensor]:
    """How the end of an interval answers to its beginning and to the slope at each stage.

    Args:
        by_state: (S, 4, B, n, n), derivatives of the slopes.
        part: (B,), length of a step.

    Returns:
        (B, n, n) and (S, 4, B, n, n).
    """
    h = part[:, None, None]
    one = torch.eye(by_state.shape[-1], dtype=by_state.dtype, device=by_state.device).expand(by_state.shape[2:])
    after, led = one, torch.empty_like(by_state)
    for k in reversed(range(len(by_state))):
        by_slope = [one] * len(NODES)
        for i in reversed(range(len(NODES))):
            by_slope[i] = h * WEIGHTS[i] * one
            for j in range(i + 1, len(NODES)):
                by_slope[i] = by_slope[i] + h * SLOPES[j][i] * (by_slope[j] @ by_state[k, j])
            led[k, i] = after @ by_slope[i]
        after = after + (led[k] @ by_state[k]).sum(0)
    return after, led


def _layer_blocks(model: HybridModel, name: str, index: int, calls: list[_Call], to_end: Tensor) -> dict[str, Tensor]:
    """Derivatives of the ends of intervals by the weights and biases of one layer; to_end: (stages, B, n, n)."""
    stages, many, n, _ = to_end.shape
    by_matrix = by_bias = to_end.new_zeros(())
    for call in calls:
        left = to_end.new_zeros(())
        for j, came in call.came.items():
            from_slope = to_end[..., j].permute(1, 2, 0).unsqueeze(2)
            left = left + from_slope * came.reshape(stages, many, -1).permute(1, 2, 0).unsqueeze(1)
        if not left.ndim:
            continue
        entered = call.layer.entered.detach().reshape(stages, many, -1).transpose(0, 1)
        by_matrix = by_matrix + left.flatten(1, 2) @ entered
        by_bias = by_bias + left.sum(-1)
    weight = dict(model.nets()[name].named_parameters())[f"weight_{index}"]
    matrix = calls[0].layer.matrix
    if not by_matrix.ndim:
        return {}
    by_matrix = by_matrix.reshape(many, n, *weight.shape)
    if matrix is not weight:  # a monotone net passes its weights through a function, element by element
        with torch.enable_grad():
            (slope,) = torch.autograd.grad(matrix.sum(), weight, retain_graph=True)
        by_matrix = by_matrix * slope
    return {f"{name}.weight_{index}": by_matrix, f"{name}.bias_{index}": by_bias}


def _in_order(model: HybridModel, blocks: dict[str, Tensor], many: int, n: int) -> Tensor:
    """(B, n, P); zero for a net that is never called."""
    pieces = []
    for name, tensor in model.named_parameters():
        block = blocks.get(name)
        pieces.append(tensor.new_zeros(many, n, tensor.numel()) if block is None else block.reshape(many, n, -1))
    return torch.cat(pieces, -1)


@contextmanager
def _tapped(model: HybridModel) -> Iterator[dict[str, list[Layer]]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(net.tapped()) for name, net in model.nets().items()}
