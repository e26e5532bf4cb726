"""The terms of the training loss: misfit of rollouts, misfit of single intervals, regularizers, priors."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from archsearch.hybrid import HybridModel
from archsearch.settings import FitSettings
from archsearch.training.initial import InitialStates
from archsearch.training.integrate import Coordinates, Field, one_interval, solver_rollout
from archsearch.training.regularizers import ROWS
from archsearch.training.smoothing import Smoothed
from archsearch.training.task import Samples

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
        known_noise: variance of the measurement noise, in variances of the data, where the space says it.
        noise: the variance that is reckoned with; found by the fit where it is not known.
        start: the raw parameters that the candidate was written with, the mean of their prior.
    """

    model: HybridModel
    coordinates: Coordinates
    samples: Samples
    smoothed: Smoothed
    initial: InitialStates
    scale: Tensor
    slope: Tensor
    settings: FitSettings
    known_noise: float | None = None
    noise: Tensor = field(default_factory=lambda: torch.tensor(torch.nan))
    start: Tensor | None = None

    def __post_init__(self) -> None:
        observations = self.coordinates.inner(self.samples.states)
        self._seen = torch.isfinite(observations)
        self._target = torch.nan_to_num(observations)
        self._count = self._seen.sum()
        if bool(torch.isnan(self.noise)):
            self.noise = self._first_noise()
        if self.start is None:
            self.start = self.model.raw.detach().clone()

    @property
    def noise_is_free(self) -> bool:
        """Whether the noise is to be found, because the space does not say it."""
        return self.known_noise is None

    def _first_noise(self) -> Tensor:
        """The known noise, or a start that rather takes bends for noise than noise for bends."""
        if self.known_noise is not None:
            return torch.full_like(self.scale[0], self.known_noise)
        return (self.smoothed.noise / self.scale).square().mean().clamp(FIRST_NOISE, 1.0)

    def rollout(self) -> Tensor:
        """Loss of full rollouts from the estimated initial states: scalar."""
        with self.model.prepared():
            z = solver_rollout(
                self.coordinates.field(self.model),
                self.initial.value(),
                self.samples.times,
                self.samples.inputs,
                self.settings.substeps,
            )
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
            ends = one_interval(
                self.coordinates.field(self.model),
                nodes[:, :-1],
                self.samples.times,
                self.samples.inputs,
                self.settings.substeps,
            )
            wrong = (ends - nodes[:, 1:]) / self.slope / step.clamp(min=1e-12)
            counted = (step > 0) & self._seen.any(1, keepdim=True) & self.samples.valid[:, 1:].unsqueeze(-1)
            misfit = torch.where(counted, wrong, 0.0).square().sum() / counted.sum()
            return misfit + self._regularizers() + self._priors()

    def error(self, z: Tensor, where: Tensor) -> float:
        """Mean square error over observations at `where` (N, T), in standard deviations."""
        counted = self._seen & where.unsqueeze(-1)
        wrong = torch.where(counted, (z - self._target) / self.scale, 0.0)
        return float(wrong.square().sum() / counted.sum())

    def field(self) -> Field:
        """The vector field of the model in inner coordinates."""
        return self.coordinates.field(self.model)

    def _misfit(self, z: Tensor) -> Tensor:
        wrong = torch.where(self._seen, (z - self._target) / self.scale, 0.0)
        return wrong.square().sum() / self._count

    def regularizers(self) -> dict[str, float]:
        """The weights of the regularizers that are in force; a model without nets needs none."""
        wanted = self.model.regularizers if self.model.nets() else {}
        return {name: weight for name, weight in wanted.items() if weight > 0}

    def nodes(self) -> tuple[Tensor, Tensor, Tensor]:
        """Where regularizers are evaluated: times (B,), smoothed states (B, n) in inner coordinates, inputs (B, m)."""
        valid = self.samples.valid
        states = torch.nan_to_num(self.smoothed.states)
        return self.samples.times[valid], states[valid], self.samples.inputs[valid]

    def _regularizers(self) -> Tensor:
        """Weighted sum of the regularizers that the candidate asks for: scalar."""
        total = self.scale.new_zeros(())
        weights = self.regularizers()
        if not weights:
            return total
        full = self.field()(*self.nodes()) / self.slope
        physics = self.coordinates.field(self.model.nulled())(*self.nodes()) / self.slope
        for name, weight in weights.items():
            total = total + weight * ROWS[name](full, physics).square().sum()
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
