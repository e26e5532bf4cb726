"""The terms of the training loss: misfit of rollouts, misfit of single intervals, regularizers, priors."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from archsearch.hybrid import HybridModel
from archsearch.settings import FitSettings
from archsearch.training.data.smoothing import Smoothed
from archsearch.training.data.task import Samples
from archsearch.training.flow.integrate import Coordinates, Field
from archsearch.training.flow.sensitivities import Intervals
from archsearch.training.squares.initial import InitialStates
from archsearch.training.squares.limits import Limits
from archsearch.training.squares.observations import Observations
from archsearch.training.squares.regularizers import ROWS
from archsearch.training.squares.schemes import Explicit, Implicit, Path, Scheme

FIRST_NOISE = 0.01
"""The least variance of the noise, in variances of the data, that a fit begins with."""


@dataclass
class Loss:
    """Everything that the loss of one fit is computed from.

    Attributes:
        model: the candidate.
        coordinates: the inner coordinates.
        samples: what may be seen.
        smoothed: its smooth; `states` are the nodes at which intervals start and regularizers are evaluated.
        initial: the initial states.
        scale: (n,), inner coordinates, one standard deviation of the observations.
        slope: (n,), inner coordinates, one standard deviation of the derivatives.
        settings: weights of the priors, steps per interval.
        known_noise: (n,), variances of the measurement noise, in variances of the data, where the space says it.
        noise: the variance that is reckoned with; found by the fit where it is not known.
        start: the raw parameters that the candidate was written with, the mean of their prior.
        implicit: whether intervals are integrated by an implicit method.
        algebraic: (N, T, q), algebraic variables at the samples as last found.
        limits: the multipliers of the limits of the candidate, once these are to be kept.
    """

    model: HybridModel
    coordinates: Coordinates
    samples: Samples
    smoothed: Smoothed
    initial: InitialStates
    scale: Tensor
    slope: Tensor
    settings: FitSettings
    known_noise: Tensor | None = None
    noise: Tensor = field(default_factory=lambda: torch.tensor(torch.nan))
    start: Tensor | None = None
    implicit: bool = False
    algebraic: Tensor | None = None
    limits: Limits | None = None

    def __post_init__(self) -> None:
        observations = self.coordinates.inner(self.samples.states)
        self._seen = torch.isfinite(observations)
        self._target = torch.nan_to_num(observations)
        self._count = self._seen.sum()
        if bool(torch.isnan(self.noise)):
            self.noise = self._first_noise()
        if self.start is None:
            self.start = self.model.raw.detach().clone()
        self.observations = Observations(self.model, self.coordinates)
        guesses = list(self.model.algebraic_variables.values())
        if guesses and self.algebraic is None:
            shape = (*self.samples.times.shape, len(guesses))
            self.algebraic = torch.tensor(guesses, dtype=self.scale.dtype, device=self.scale.device).expand(shape)

    @property
    def noise_is_free(self) -> bool:
        """Whether the noise is to be found, because the space does not say it."""
        return self.known_noise is None

    def _first_noise(self) -> Tensor:
        """The known noise, or a start that rather takes bends for noise than noise for bends."""
        if self.known_noise is not None:
            return self.known_noise.mean()
        return (self.smoothed.noise / self.scale).square().mean().clamp(FIRST_NOISE, 1.0)

    @property
    def deviation(self) -> Tensor:
        """(n,), what a misfit is measured in: the scale, and less than that where the noise is known to be less."""
        if self.known_noise is None:
            return self.scale
        return self.scale * (self.known_noise / self.known_noise.mean()).sqrt()

    def scheme(self) -> Scheme:
        """How intervals are integrated."""
        kind = Implicit if self.implicit else Explicit
        return kind(self.model, self.coordinates, self.settings.substeps)

    def rollout(self) -> Tensor:
        """Loss of full rollouts from the estimated initial states: scalar."""
        z = self.scheme().differentiable(self.initial.value(), self.samples.times, self.samples.inputs)
        if not self.observations.plain:
            z = self.observations.differentiable(self.samples.times, z, self.samples.inputs)
        with self.model.prepared():
            return self._misfit(z) + self._regularizers() + self._priors()

    def matching(self) -> Tensor:
        """Loss of single intervals that start on the smooth, a weak form of matching derivatives: scalar.

        Reference:
            Integral matching as in Dattner & Klaassen (2015), Electron. J. Stat. 9:1939, over one sampling interval
            with a Runge-Kutta step in place of their quadrature.
        """
        nodes = torch.nan_to_num(self.smoothed.states)
        step = (self.samples.times[:, 1:] - self.samples.times[:, :-1]).unsqueeze(-1)
        with self.model.prepared():
            ends = self._ends(nodes)
            wrong = (ends - nodes[:, 1:]) / self.slope / step.clamp(min=1e-12)
            counted = (step > 0) & self._seen.any(1, keepdim=True) & self.samples.valid[:, 1:].unsqueeze(-1)
            misfit = torch.where(counted, wrong, 0.0).square().sum() / counted.sum()
            return misfit + self._regularizers() + self._priors()

    def _ends(self, nodes: Tensor) -> Tensor:
        """(N, T - 1, n): where single intervals end that begin at (N, T, n)."""
        over = Intervals.of(nodes, self.samples.times, self.samples.inputs)
        pairs = torch.stack([over.t, over.t + over.h], 1)
        ends = self.scheme().differentiable(over.z, pairs, over.u.unsqueeze(1).expand(-1, 2, -1))[:, 1]
        return ends.reshape(nodes[:, 1:].shape)

    def measured(self, path: Path) -> Tensor:
        """(N, T, n), inner coordinates: what would be measured of trajectories."""
        if self.observations.plain:
            return path.z
        return self.observations.of(self.samples.times, self.completed(path), self.samples.inputs)

    def completed(self, path: Path) -> Tensor:
        """(N, T, n + q): trajectories with their algebraic variables."""
        scheme, known = self.scheme(), path.algebraic
        if self.algebraic is None or not isinstance(scheme, Implicit):
            return path.z
        if known is None:
            known = scheme.algebraic(path, self.samples.times, self.samples.inputs)
        return torch.cat([path.z, known], -1)

    @torch.no_grad()
    def find_algebraic(self) -> None:
        """Take algebraic variables from a rollout, where there is one; regularizers and nets are judged there."""
        scheme = self.scheme()
        if self.algebraic is None or not isinstance(scheme, Implicit):
            return
        times, inputs = self.samples.times, self.samples.inputs
        found = scheme.algebraic(scheme.rolled(self.initial.value(), times, inputs), times, inputs)
        self.algebraic = torch.where(torch.isfinite(found), found, self.algebraic)

    def error(self, z: Tensor, where: Tensor) -> float:
        """Mean square error of measurements (N, T, n) at `where` (N, T), in standard deviations."""
        counted = self._seen & where.unsqueeze(-1)
        wrong = torch.where(counted, (z - self._target) / self.scale, 0.0)
        return float(wrong.square().sum() / counted.sum())

    def field(self) -> Field:
        """The vector field of the model in inner coordinates."""
        return self.coordinates.field(self.model)

    def _misfit(self, z: Tensor) -> Tensor:
        wrong = torch.where(self._seen, (z - self._target) / self.deviation, 0.0)
        return wrong.square().sum() / self._count

    def regularizers(self) -> dict[str, float]:
        """The weights of the regularizers that are in force; a model without nets needs none."""
        wanted = self.model.regularizers if self.model.nets() else {}
        return {name: weight for name, weight in wanted.items() if weight > 0}

    def nodes(self) -> tuple[Tensor, Tensor, Tensor]:
        """Where regularizers are evaluated: times (B,), smoothed states (B, n + q), inputs (B, m)."""
        valid = self.samples.valid
        states = torch.nan_to_num(self.smoothed.states)
        if self.algebraic is not None:
            states = torch.cat([states, self.algebraic], -1)
        return self.samples.times[valid], states[valid], self.samples.inputs[valid]

    def observed_slopes(self) -> Tensor:
        """(B, n): derivatives of the smooth at the nodes, over their spread; NaN where nothing was observed."""
        return self.smoothed.derivatives[self.samples.valid] / self.slope

    def _regularizers(self) -> Tensor:
        """Weighted sum of the regularizers that the candidate asks for: scalar."""
        total = self.scale.new_zeros(())
        weights = self.regularizers()
        if not weights:
            return total
        full = self.field()(*self.nodes()) / self.slope
        physics = self.coordinates.field(self.model.nulled())(*self.nodes()) / self.slope
        for name, weight in weights.items():
            total = total + weight * ROWS[name](full, physics, self.observed_slopes()).square().sum()
        return total

    def prior(self, weight_decay: float | None = None) -> tuple[Tensor, Tensor]:
        """Mean and precision of the prior, (P,) each; `weight_decay` in place of that of the settings."""
        assert self.start is not None
        decay = self.settings.weight_decay if weight_decay is None else weight_decay
        return prior_of(self.model, self.start, decay, self.settings.parameter_prior)

    def _priors(self) -> Tensor:
        """Gaussian priors, weighed by the noise as Bayes' rule does: scalar."""
        origin, precision = self.prior()
        values = torch.cat([tensor.reshape(-1) for _, tensor in self.model.named_parameters()])
        return self.noise / self._count * (self.initial.prior() + (precision * (values - origin).square()).sum())


def prior_of(model: HybridModel, start: Tensor, weight_decay: float, parameter_prior: float) -> tuple[Tensor, Tensor]:
    """Mean and precision of the prior, (P,) each, in the order of the model's parameters.

    The weights of a layer have variance 1 / fan-in and biases 1, both around 0; a transformed parameter has variance 1
    around the value that the candidate was written with.
    """
    means, precisions = [], []
    for name, tensor in model.named_parameters():
        physical = name == "raw"
        fan_in = tensor.shape[-1] if tensor.dim() > 1 else 1
        weight = parameter_prior if physical else weight_decay * fan_in
        means.append(start if physical else torch.zeros_like(tensor).reshape(-1))
        precisions.append(torch.full_like(tensor, weight).reshape(-1))
    return torch.cat(means).detach(), torch.cat(precisions).detach()
