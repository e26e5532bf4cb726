"""Fit a field without rolling it out: what a model gives, integrated over short windows, against what rose there.

The misfit and its gradient are taken from whole frames, so every observation counts and any model will do. Only the
curvature is sampled: rows of the Jacobian at a few hundred points drawn at random, so its cost does not grow with the
grid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import jacrev, vmap

from archsearch.training.fields.patches import Patches, find_patches, inputs_of, pick
from archsearch.training.fields.windows import PureField, Windows, with_grid
from archsearch.training.squares.regularizers import ROWS

FRAMES_TRIED = 2
WHOLE_CHUNK = 8
"""Rows of whole frames that are differentiated at once."""


@dataclass(frozen=True)
class Weights:
    """What the parts of a misfit are measured in and weigh.

    Attributes:
        scale: (n,), inner coordinates, one standard deviation of the observations.
        slope: (n,), inner coordinates, one standard deviation of the derivatives.
        regularizers: weight of each regularizer in force.
    """

    scale: Tensor
    slope: Tensor
    regularizers: dict[str, float]

    def to(self, dtype: torch.dtype) -> Weights:
        """The same in another precision."""
        return Weights(self.scale.to(dtype), self.slope.to(dtype), self.regularizers)


class WeakForm:
    """The misfit of the windows, in variances of the data, as a function of the parameters p (P,).

    Args:
        field: the model.
        windows: what is compared.
        weights: the units.
        generator: draws the points at which the curvature is sampled.
        patches: how far the model sees, if that is known.

    Reference:
        Weak form as in Messenger & Bortz (2021), J. Comput. Phys. 443:110525, with constant test functions in time. The
        curvature from a sample and the gradient from all: Byrd, Chin, Neveitt & Nocedal (2011), SIAM J. Optim. 21:977.
    """

    def __init__(
        self,
        field: PureField,
        windows: Windows,
        weights: Weights,
        generator: torch.Generator,
        patches: Patches | None = None,
    ) -> None:
        self._field = field
        self._windows = windows.limited(generator)
        self._weights = weights
        self._generator = generator
        self._unit = math.sqrt(2) * weights.scale  # a rise is the difference of two observations
        self._patches = patches

    @property
    def count(self) -> int:
        """The number of residuals."""
        return self._windows.rise.numel()

    @property
    def squared_spans(self) -> Tensor:
        """Sum of squared lengths of the windows over all residuals, in the units of the misfit: scalar."""
        return self._windows.weights.sum(-1).square().mean() * self.count / 2

    def look_around(self, p: Tensor) -> Patches | None:
        """Find out how far the model looks, once, so that its curvature can be sampled point by point.

        Args:
            p: (P,), in double precision.
        """
        windows = self._windows
        some = slice(0, FRAMES_TRIED)
        exact = PureField(self._field.model, self._field.coordinates, p.dtype)
        given = (windows.times[some].to(p), windows.frames[some].to(p), windows.inputs[some].to(p))
        self._patches = find_patches(exact.at, p, *given, self._generator)
        return self._patches

    def cost(self, p: Tensor) -> Tensor:
        """The sum of squares: scalar, differentiable."""
        windows, asked = self._windows, self._weights.regularizers
        if not asked:
            return self._residuals(self._field.at(p, windows.times, windows.frames, windows.inputs)).square().sum()
        full, physics = self._field.both_at(p, windows.times, windows.frames, windows.inputs)
        extra = self._regularizing(full.flatten(0, -2), physics.flatten(0, -2))
        return self._residuals(full).square().sum() + extra.square().sum()

    @torch.no_grad()
    def rows(self, p: Tensor, many: int) -> Tensor:
        """(R, P), rows drawn at random: their products sum up to the curvature in the mean.

        Args:
            p: (P,).
            many: at how many points of space and time.
        """
        patches = self._patches
        sampled = self._from_whole_frames(p, many) if patches is None else self._from_patches(p, many, patches)
        return sampled

    def parts(self, p: Tensor) -> tuple[Tensor, Tensor]:
        """(B, n) twice: derivatives of the full model and of the physics alone on the frames, in spreads of slopes."""
        windows = self._windows
        full, physics = self._field.both_at(p, windows.times, windows.frames, windows.inputs)
        return full.flatten(0, -2) / self._weights.slope, physics.flatten(0, -2) / self._weights.slope

    def _residuals(self, derivative: Tensor) -> Tensor:
        """(W, *grid, n)."""
        windows = self._windows
        parts = [
            derivative[windows.index[:, q]] * with_grid(windows.weights[:, q, None], len(windows.grid))
            for q in range(3)
        ]
        return (parts[0] + parts[1] + parts[2] - windows.rise) / self._unit

    def _regularizing(self, full: Tensor, physics: Tensor) -> Tensor:
        """(Q,), rows of the regularizers on derivatives (B, n)."""
        full, physics = full / self._weights.slope, physics / self._weights.slope
        asked = self._weights.regularizers.items()
        unknown = torch.full_like(full, torch.nan)
        return torch.cat(
            [math.sqrt(weight * self.count) * ROWS[name](full, physics, unknown) for name, weight in asked]
        )

    # ---- sampled curvature -----------------------------------------------------------------------------------------

    def _from_patches(self, p: Tensor, many: int, patches: Patches) -> Tensor:
        """Rows of single residuals."""
        windows, grid = self._windows, self._windows.grid
        chosen = self._draw(len(windows.index), many)
        points = torch.stack([self._draw(size, many) for size in grid], 1)
        which = windows.index[chosen]
        cut = patches.cut(windows.frames, which, points, grid)
        given = inputs_of(patches, windows.inputs, which, points, grid)
        inside = patches.inside(points, grid)
        by_point = vmap(jacrev(self._residual), in_dims=(None, 0, 0, 0, 0, 0))
        rows: Tensor = by_point(p, windows.times[which], cut, given, windows.weights[chosen], inside)
        residuals = rows.flatten(0, 1) * math.sqrt(self.count / (many * rows.shape[1]))
        if not self._weights.regularizers:
            return residuals
        return torch.cat([residuals, self._regularizing_rows(p, windows.times[which], cut, given, inside)])

    def _residual(self, p: Tensor, t: Tensor, patch: Tensor, u: Tensor, weights: Tensor, inside: Tensor) -> Tensor:
        """(n,), what the model gives to one residual; t (3, 1, ...), patch (3, *patch, n), weights (3,)."""
        derivative = pick(self._field.at(p, t, patch, u), inside)
        return (weights.unsqueeze(-1) * derivative).sum(0) / self._unit

    def _regularizing_rows(self, p: Tensor, t: Tensor, cut: Tensor, given: Tensor, inside: Tensor) -> Tensor:
        """(Q, P), rows of the regularizers on the middles of the windows alone, which stand for all."""

        def pair(p: Tensor, t: Tensor, patch: Tensor, u: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
            full, physics = self._field.both_at(p, t, patch, u)
            return pick(full, inside)[0], pick(physics, inside)[0]

        over = (None, 0, 0, 0, 0)
        middle = (t[:, 1:2], cut[:, 1:2], given[:, 1:2], inside)
        full_by_p, physics_by_p = vmap(jacrev(pair), in_dims=over)(p, *middle)
        full, physics = vmap(pair, in_dims=over)(p, *middle)
        by_full, by_physics = jacrev(self._regularizing, argnums=(0, 1))(full, physics)
        chained: Tensor = torch.einsum("qbn,bnp->qp", by_full, full_by_p)
        return chained + torch.einsum("qbn,bnp->qp", by_physics, physics_by_p)

    def _from_whole_frames(self, p: Tensor, many: int) -> Tensor:
        """Rows of sums of all residuals of a window with random signs: for models that look across the grid."""
        windows = self._windows
        chosen = self._draw(len(windows.index), many)
        which = windows.index[chosen]
        draws = torch.randint(2, (many, *windows.rise.shape[1:]), generator=self._generator)
        signs = (2 * draws - 1).to(windows.rise)

        def signed(p: Tensor, t: Tensor, frames: Tensor, u: Tensor, weights: Tensor, signs: Tensor) -> Tensor:
            derivative = self._field.at(p, t, frames, u)
            total: Tensor = (torch.tensordot(weights, derivative, dims=1) / self._unit * signs).sum()
            return total

        by_window = vmap(jacrev(signed), in_dims=(None, 0, 0, 0, 0, 0), chunk_size=WHOLE_CHUNK)
        given = (windows.times[which], windows.frames[which], windows.inputs[which], windows.weights[chosen])
        rows: Tensor = by_window(p, *given, signs)
        return rows * math.sqrt(len(windows.index) / many)

    def _draw(self, below: int, many: int) -> Tensor:
        return torch.randint(below, (many,), generator=self._generator).to(self._windows.index.device)
