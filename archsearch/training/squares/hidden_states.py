"""How well the data determine the states that nobody measured."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from archsearch.training.flow.sensitivities import Sensitivities
from archsearch.training.squares.batches import Batch
from archsearch.training.squares.identified import CONTRACTION
from archsearch.training.squares.least_squares import UNINFORMED
from archsearch.training.squares.losses import Loss
from archsearch.training.squares.prepare import unseen
from archsearch.training.squares.schemes import Path
from archsearch.training.squares.trajectory_rows import Rows, TrajectoryRows

STILL = 1e-9
"""A state that varies by less than this share of its size along each trajectory is a parameter of the trajectory."""


@dataclass(frozen=True)
class HiddenState:
    """What is known of a state that is not measured, in its unit.

    Attributes:
        std_error: root mean square over all samples of its standard deviation around the fit.
        spread: its standard deviation over all samples; its root mean square if it stands still.
        identified: whether the data determine it.
    """

    std_error: float
    spread: float
    identified: bool


@dataclass(frozen=True)
class _Linear:
    """Observations and hidden states as linear functions of all unknowns, K of them."""

    rows: Tensor
    """(m, K), observations in standard deviations of the data."""
    hidden: Tensor
    """(N, T, h, K), hidden states in natural units."""


def hidden_states(loss: Loss, p: Tensor, path: Path, answers: Sensitivities, noise: float) -> dict[str, HiddenState]:
    """The uncertainty of every state that no trajectory shows after its start, along the fitted rollouts.

    The posterior of all unknowns, weights and initial states among them, is Gaussian around the fit (Laplace); the
    sensitivities of a state along its rollout carry it there. It is told twice. The standard error counts the priors of
    parameters and initial states as the fit does. Whether the state is identified is asked without them: one that is
    known only up to a factor keeps the width that someone gave to the prior of that factor, which no data can reduce.
    What is certain counts in both: fixed parameters, initial values that are given. Both are local: another, distant
    fit may exist.

    Args:
        loss: the training problem at the fitted point.
        p: (P,), raw parameters and weights there.
        path: the rollouts there.
        answers: how they answer to the unknowns.
        noise: variance of the noise, in variances of the data.

    Reference:
        Propagation of the Laplace approximation as in Raue et al. (2009), Bioinformatics 25:1923, section 2.
    """
    hidden = unseen(loss).all(0).squeeze(0)
    if not bool(hidden.any()):
        return {}
    linear = _linear(loss, p, path, answers, hidden)
    known, alone = _widths(loss, informed=True), _widths(loss, informed=False)
    states, valid = loss.coordinates.natural(path.z)[..., hidden], loss.samples.valid
    spreads = _spreads(states, valid)
    errors = _typical(_deviations(linear, known, noise), valid)
    by_data = _typical(_deviations(linear, alone, noise), valid)
    names = [name for name, is_hidden in zip(loss.model.states, hidden.tolist(), strict=True) if is_hidden]
    rows = zip(names, errors.tolist(), spreads.tolist(), (by_data < CONTRACTION * spreads).tolist(), strict=True)
    return {name: HiddenState(*row) for name, *row in rows}


def _linear(loss: Loss, p: Tensor, path: Path, answers: Sensitivities, hidden: Tensor) -> _Linear:
    found = TrajectoryRows(loss, Batch.whole(loss), loss.scheme()).linear(p, path, answers)
    slopes = torch.where(loss.coordinates.logarithmic, loss.coordinates.natural(path.z), 1.0)[..., hidden]
    shape = slopes.shape
    by_unknowns, by_start = answers.unknowns[:, :, hidden].flatten(1, 2), answers.initial[:, :, hidden].flatten(1, 2)
    by_all = _by_all(loss, by_unknowns, by_start).reshape(*shape, -1)
    return _Linear(_rows(loss, found), slopes.unsqueeze(-1) * by_all)


def _rows(loss: Loss, found: Rows) -> Tensor:
    """(m, K): what was observed."""
    return _by_all(loss, found.by_unknowns, found.by_start)[found.seen]


def _by_all(loss: Loss, by_unknowns: Tensor, by_start: Tensor) -> Tensor:
    """(N, R, K) from derivatives (N, R, P) and (N, R, n): unknowns, shared initial values, those of each trajectory."""
    many, rows, n = by_start.shape
    by_offset, by_shared = loss.initial.slopes()
    by_start = by_start * loss.initial.unsaid.unsqueeze(1)
    shared = [by_unknowns, by_start * by_shared]
    if not loss.initial.is_free:
        return torch.cat(shared, -1)
    own = by_start.new_zeros(many, rows, many, n)
    each = torch.arange(many, device=own.device)
    own[each, :, each] = by_start * by_offset
    return torch.cat([*shared, own.flatten(2)], -1)


def _widths(loss: Loss, informed: bool) -> Tensor:
    """(K,): standard deviations of the priors; wide for weights, and for all else too if nothing is to inform."""
    _, precision = loss.prior(UNINFORMED)
    starts = loss.initial.offsets.numel() if loss.initial.is_free else 0
    precision = torch.cat([precision, precision.new_ones(len(loss.scale) + starts)])
    if not informed:
        precision = torch.full_like(precision, UNINFORMED)
    return precision.clamp(min=UNINFORMED).rsqrt()


def _deviations(linear: _Linear, widths: Tensor, noise: float) -> Tensor:
    """(N, T, h): posterior standard deviations; of nothing but orthogonal steps, since wide priors ask for accuracy."""
    j, asked = linear.rows * widths, linear.hidden.flatten(0, 2) * widths
    if not bool(torch.isfinite(j).all() and torch.isfinite(asked).all()):
        return torch.full(linear.hidden.shape[:-1], torch.inf, dtype=torch.float64)
    unseen = 0.0 * asked[:, 0]
    if len(j) < j.shape[1]:  # what no row sees keeps the width of its prior
        basis, r = torch.linalg.qr(j.T)
        j, within = r.T, asked @ basis
        unseen, asked = (asked - within @ basis.T).square().sum(-1), within
    ridge = noise**0.5 * torch.eye(j.shape[1], dtype=j.dtype, device=j.device)
    r = torch.linalg.qr(torch.cat([j, ridge]), mode="r").R
    left = torch.linalg.solve_triangular(r.T, asked.T, upper=False)
    variance = noise * left.square().sum(0) + unseen
    deviations: Tensor = variance.sqrt().reshape(linear.hidden.shape[:-1])
    return deviations


def _typical(values: Tensor, valid: Tensor) -> Tensor:
    """(h,): root mean square of (N, T, h) over samples that are not padding."""
    return values[valid].square().mean(0).sqrt()


def _spreads(states: Tensor, valid: Tensor) -> Tensor:
    """(h,): how much states (N, T, h) vary; how large they are if each stays as it is along its trajectories."""
    size = _typical(states, valid)
    moved = _typical(states - states[:, :1], valid)
    return torch.where(moved > STILL * size, states[valid].std(0, correction=0), size)
