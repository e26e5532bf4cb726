"""A static training problem as a sum of squares: misfits, regularizers and priors, with their Jacobian."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import jacrev, vmap

from archsearch.hybrid import HybridModel
from archsearch.problem.space import State
from archsearch.settings import FitSettings
from archsearch.training.algebra.compression import Compressed, compressed
from archsearch.training.algebra.curvature import Curvature
from archsearch.training.algebra.linear_problem import Linear, Prior
from archsearch.training.data.task import Samples
from archsearch.training.flow.integrate import Coordinates
from archsearch.training.flow.sensitivities import Flat
from archsearch.training.flow.substitution import of_unknowns
from archsearch.training.methods.evidence import Hyper
from archsearch.training.squares.identified import share_of_nets
from archsearch.training.squares.least_squares import UNINFORMED
from archsearch.training.squares.losses import FIRST_NOISE, prior_of
from archsearch.training.squares.prepare import spreads
from archsearch.training.squares.regularizers import ROWS

CHUNK = 512
"""Samples differentiated at once."""
LEAST_PRECISION = 1e-12
"""Of a prior that is switched off: enough to keep the equations solvable."""


@dataclass(frozen=True)
class StaticRows:
    """A static training problem as a sum of squares, as a function of parameters and weights p (P,).

    Attributes:
        model: the candidate.
        coordinates: the inner coordinates of the outputs.
        inputs: (B, m).
        target: (B, n), inner coordinates, 0 where not seen.
        seen: (B, n).
        scale: (n,), inner coordinates, one standard deviation of the observations.
        settings: weights of the priors.
        known_noise: variance of the noise in variances of the data, where the space says it of every output.
        start: the raw parameters that the candidate was written with, the mean of their prior.
        alone: the physics alone, in place of the full model.
    """

    model: HybridModel
    coordinates: Coordinates
    inputs: Tensor
    target: Tensor
    seen: Tensor
    scale: Tensor
    settings: FitSettings
    known_noise: float | None
    start: Tensor
    alone: bool = False

    @staticmethod
    def of(model: HybridModel, states: tuple[State, ...], samples: Samples, settings: FitSettings) -> StaticRows:
        """The samples of which anything was measured."""
        coordinates = Coordinates.of(states, samples.times.device)
        measured = coordinates.inner(samples.states)
        kept = samples.valid & torch.isfinite(measured).any(-1)
        scale = spreads(measured)
        said = [state.noise for state in states if state.observed]
        sizes = [size for state, size in zip(states, scale.tolist(), strict=True) if state.observed]
        known = [(noise / size) ** 2 for noise, size in zip(said, sizes, strict=True) if noise is not None]
        return StaticRows(
            model=model,
            coordinates=coordinates,
            inputs=samples.inputs[kept],
            target=measured[kept].nan_to_num(),
            seen=torch.isfinite(measured[kept]),
            scale=scale,
            settings=settings,
            known_noise=sum(known) / len(known) if known and len(known) == len(said) else None,
            start=model.raw.detach().clone(),
        )

    @property
    def count(self) -> int:
        """The number of observations."""
        return int(self.seen.sum())

    def calibrate(self) -> None:
        """Tell the nets the size of what they see and of the outputs, in natural units."""
        natural = self.coordinates.natural(torch.where(self.seen, self.target, torch.nan))
        self.model.calibrate(torch.zeros(len(self.inputs)), natural, self.inputs, spreads(natural))

    def first_noise(self, error: float) -> float:
        """The known noise, or a start that rather takes bends for noise than noise for bends."""
        if self.known_noise is not None:
            return self.known_noise
        return min(max(error, FIRST_NOISE), 1.0) if math.isfinite(error) else 1.0

    def here(self) -> Tensor:
        """(P,), where the model stands."""
        return Flat.of(self.model).vector(self.model)

    def go(self, p: Tensor) -> None:
        """Put the model there."""
        Flat.of(self.model).store(self.model, p)

    @torch.no_grad()
    def cost(self, p: Tensor, hyper: Hyper) -> float:
        """Sum of squares of misfit, regularizers and priors; infinite where it is not finite."""
        full, physics = self._both(p, self.inputs)
        prior = self._prior(p, hyper.precision)
        squares = self._misfit(full).square().sum() + self._extra(full, physics).square().sum()
        cost = float(squares + hyper.noise * (prior.away / prior.spread()).square().sum())
        return cost if math.isfinite(cost) else math.inf

    @torch.no_grad()
    def error(self, p: Tensor) -> float:
        """Mean square error, in variances of the data; infinite where it is not finite."""
        error = float(self._misfit(self._both(p, self.inputs)[0]).square().sum() / max(self.count, 1))
        return error if math.isfinite(error) else math.inf

    @torch.no_grad()
    def curvature(
        self, p: Tensor, decay: float, noise: float | None = None, regularized: bool = True
    ) -> Curvature | Compressed:
        """Rows, Jacobian and priors at a point; where a variance of the noise is given, only what it does not cover."""
        both = vmap(jacrev(self._both), in_dims=(None, 0), chunk_size=CHUNK)
        full_by_p, physics_by_p = both(p, self.inputs)
        full, physics = self._both(p, self.inputs)
        extra, extra_by_p = p.new_zeros(0), p.new_zeros(0, len(p))
        if regularized and self._regularizers():
            extra = self._extra(full, physics)
            by_full, by_physics = jacrev(self._extra, argnums=(0, 1))(full, physics)
            extra_by_p = torch.einsum("qbn,bnp->qp", by_full, full_by_p)
            extra_by_p = extra_by_p + torch.einsum("qbn,bnp->qp", by_physics, physics_by_p)
        jacobian = (full_by_p / self.scale.unsqueeze(-1)).flatten(0, 1).unsqueeze(0)
        linear = Linear(
            rows=self._misfit(full).reshape(1, -1),
            by_common=jacobian,
            by_own=jacobian[..., :0],
            extra=extra,
            extra_by_common=extra_by_p,
            seen=self.seen.reshape(1, -1),
        )
        prior = self._prior(p, decay)
        few = None if noise is None else compressed(linear, prior, noise)
        return Curvature(linear, prior) if few is None else few

    def weights_squared(self, p: Tensor) -> float:
        """The weighed sum of squares of the weights, of which the evidence tells the precision."""
        prior = self._prior(p, 1.0)
        return float((prior.away / prior.deviation).square()[prior.weights].sum())

    @torch.no_grad()
    def share(self) -> float:
        """rms(correction) / rms(output), in spreads of the outputs: 0 without nets."""
        full, physics = (value / self.scale for value in self._both(self.here(), self.inputs))
        return share_of_nets(full, physics)

    def _both(self, p: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs of the full model and of the physics alone, (..., n) each, inner coordinates."""
        inner, alone = self.coordinates.inner, self.model.nulled()
        pair = of_unknowns(self.model, lambda u: (inner(self.model.outputs(u)), inner(alone.outputs(u))))
        full, physics = pair(p, u)
        return (physics if self.alone else full), physics

    def _misfit(self, full: Tensor) -> Tensor:
        return torch.where(self.seen, (full - self.target) / self.scale, 0.0)

    def _regularizers(self) -> dict[str, float]:
        wanted = self.model.regularizers if self.model.nets() else {}
        return {name: weight for name, weight in wanted.items() if weight > 0}

    def _extra(self, full: Tensor, physics: Tensor) -> Tensor:
        """(Q,), rows of the regularizers."""
        full, physics = full / self.scale, physics / self.scale
        observed = torch.where(self.seen, self.target / self.scale, torch.nan)
        asked = self._regularizers().items()
        weighed = [math.sqrt(weight * self.count) * ROWS[name](full, physics, observed) for name, weight in asked]
        return torch.cat(weighed) if weighed else full.new_zeros(0)

    def _prior(self, p: Tensor, decay: float) -> Prior:
        mean, precision = prior_of(self.model, self.start, 1.0, max(self.settings.parameter_prior, LEAST_PRECISION))
        weights = torch.ones_like(p, dtype=torch.bool)
        weights[: len(self.start)] = False
        away = p - mean
        return Prior(precision.rsqrt(), away, p.new_zeros(1, 0), weights, max(decay, UNINFORMED))
