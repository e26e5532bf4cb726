"""Make a training problem ready: scales from the data, initial states at the smooth, nets calibrated to both."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from archsearch.hybrid import HybridModel
from archsearch.problem.space import State
from archsearch.settings import FitSettings
from archsearch.training.initial import InitialStates
from archsearch.training.integrate import Coordinates
from archsearch.training.losses import Loss
from archsearch.training.smoothing import smooth
from archsearch.training.task import Samples


def prepare(model: HybridModel, states: tuple[State, ...], samples: Samples, settings: FitSettings) -> Loss:
    """The training problem of a candidate whose fit has not begun and whose nets are not yet calibrated.

    Args:
        model: the candidate, initialised.
        states: what is known of its states.
        samples: the observations that may be seen.
        settings: weights of priors, steps per interval.
    """
    coordinates = Coordinates.of(states, samples.times.device)
    observations = coordinates.inner(samples.states)
    smoothed = smooth(samples.times, observations)
    scale = spread(observations)
    initial = InitialStates(states, coordinates, samples, smoothed, scale)
    slope = spread(smoothed.derivatives)
    noise = _known_noise(states, scale)
    return Loss(model, coordinates, samples, smoothed, initial, scale, slope, settings, noise)


def _known_noise(states: tuple[State, ...], scale: Tensor) -> float | None:
    """Variance of the noise in variances of the data, averaged over observed states; None if it is not said of all."""
    observed = [(state.noise, size) for state, size in zip(states, scale.tolist(), strict=True) if state.observed]
    known = [(noise / size) ** 2 for noise, size in observed if noise is not None]
    return sum(known) / len(known) if len(known) == len(observed) else None


def spread(values: Tensor) -> Tensor:
    """(n,) standard deviation over (N, T), NaN left out; 1 where there is none."""
    seen = torch.isfinite(values)
    count = seen.sum((0, 1))
    mean = torch.where(seen, values, 0.0).sum((0, 1)) / count.clamp(min=1)
    spread = (torch.where(seen, values - mean, 0.0).square().sum((0, 1)) / count.clamp(min=1)).sqrt()
    return torch.where(spread > 0, spread, 1.0)


def calibrate(loss: Loss) -> None:
    """Tell the nets the size of what they see and of what they give; in natural units, on the nodes."""
    valid = loss.samples.valid
    t, z, u = loss.nodes()
    x = loss.coordinates.natural(z)
    slopes = torch.nan_to_num(loss.smoothed.derivatives)[valid]
    slopes = torch.where(loss.coordinates.logarithmic, slopes * x, slopes)
    loss.model.calibrate(t, x, u, slopes.square().mean(0).sqrt())


def fill_hidden(loss: Loss, z: Tensor, slopes: Tensor) -> None:
    """Put an idea of the hidden states where the smooth shows nothing.

    Args:
        loss: its smooth and its scales are completed.
        z: (N, T, n), inner coordinates.
        slopes: (N, T, n), their derivatives.
    """
    hidden = ~torch.isfinite(loss.smoothed.states).any(1).any(0)
    known = ~hidden | ~torch.isfinite(z) | ~torch.isfinite(slopes)
    states = torch.where(known, loss.smoothed.states, z)
    derivatives = torch.where(known, loss.smoothed.derivatives, slopes)
    loss.smoothed = replace(loss.smoothed, states=states, derivatives=derivatives)
    loss.slope = torch.where(hidden, spread(derivatives), loss.slope)
