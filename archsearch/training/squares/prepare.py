"""Make a training problem ready: scales from the data, initial states at the smooth, nets calibrated to both."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from archsearch.errors import RequestError
from archsearch.hybrid import HybridModel
from archsearch.problem.scales import spread
from archsearch.problem.space import State
from archsearch.settings import FitSettings
from archsearch.training.data.smoothing import Smoothed, smooth
from archsearch.training.data.task import Samples
from archsearch.training.flow.integrate import Coordinates
from archsearch.training.flow.sensitivities import Flat
from archsearch.training.squares.initial import InitialStates
from archsearch.training.squares.losses import Loss
from archsearch.training.squares.observations import Observations, inverted


def prepare(
    model: HybridModel,
    states: tuple[State, ...],
    samples: Samples,
    settings: FitSettings,
    prior_mean: Tensor | None = None,
) -> Loss:
    """The training problem of a candidate whose fit has not begun and whose nets are not yet calibrated.

    Args:
        model: the candidate, initialised.
        states: what is known of its states.
        samples: the observations that may be seen.
        settings: weights of priors, steps per interval.
        prior_mean: (number of raw parameters,), default: where the model stands.
    """
    if samples.times.shape[1] < 2:
        raise RequestError("No trajectory has two samples.", "Give at least two samples of one trajectory.")
    coordinates = Coordinates.of(states, samples.times.device)
    observations = coordinates.inner(samples.states)
    smoothed = smooth(samples.times, observations)
    scale = spreads(observations)
    smoothed = _of_states(model, coordinates, samples, smoothed, scale)
    initial = InitialStates(states, coordinates, samples, smoothed, scale, model)
    slope = spreads(smoothed.derivatives)
    noise = _known_noise(states, scale)
    return Loss(model, coordinates, samples, smoothed, initial, scale, slope, settings, noise, start=prior_mean)


def _of_states(
    model: HybridModel, coordinates: Coordinates, samples: Samples, smoothed: Smoothed, scale: Tensor
) -> Smoothed:
    """The smooth of the states, where the candidate says that something else was measured than these."""
    observations = Observations(model, coordinates)
    if observations.plain or model.algebraic_variables:
        return smoothed
    shape, p = smoothed.states.shape, Flat.of(model).vector(model)
    flat = (samples.times.flatten(), smoothed.states.flatten(0, 1), samples.inputs.flatten(0, 1))
    states = inverted(observations, p, *flat, scale).reshape(shape)
    bent = smooth(samples.times, torch.where(samples.valid.unsqueeze(-1), states, torch.nan))
    return Smoothed(bent.states, bent.derivatives, smoothed.noise)


def _known_noise(states: tuple[State, ...], scale: Tensor) -> Tensor | None:
    """(n,): variance of the noise of each state in variances of its data; None if it is not said of all observed."""
    said = [state.noise for state in states if state.observed]
    if not said or any(noise is None for noise in said):
        return None
    noise = torch.tensor([state.noise or torch.inf for state in states], dtype=scale.dtype, device=scale.device)
    known = torch.isfinite(noise)
    relative = (noise / scale).square()
    return torch.where(known, relative, relative[known].mean())


def spreads(values: Tensor) -> Tensor:
    """(n,), the spread of each column of (N, T, n), NaN left out."""
    columns = values.detach().cpu().numpy()
    found = [spread(columns[..., j]) for j in range(columns.shape[-1])]
    return torch.tensor(found, dtype=values.dtype, device=values.device)


def calibrate(loss: Loss) -> None:
    """Tell the nets the size of what they see and of what they give; in natural units, on the nodes."""
    valid = loss.samples.valid
    t, z, u = loss.nodes()
    x = loss.coordinates.complete(z)
    slopes = torch.nan_to_num(loss.smoothed.derivatives)[valid]
    slopes = torch.where(loss.coordinates.logarithmic, slopes * x[..., : slopes.shape[-1]], slopes)
    loss.model.calibrate(t, x, u, slopes.square().mean(0).sqrt())


def fill_hidden(loss: Loss, z: Tensor, slopes: Tensor) -> None:
    """Put an idea of the hidden states where the smooth shows nothing.

    Args:
        loss: its smooth and its scales are completed.
        z: (N, T, n), inner coordinates.
        slopes: (N, T, n), their derivatives.
    """
    hidden = unseen(loss) & torch.isfinite(z) & torch.isfinite(slopes)
    states = torch.where(hidden, z, loss.smoothed.states)
    derivatives = torch.where(hidden, slopes, loss.smoothed.derivatives)
    never = unseen(loss).all(0).squeeze(0)
    loss.smoothed = replace(loss.smoothed, states=states, derivatives=derivatives)
    loss.slope = torch.where(never, spreads(derivatives), loss.slope)
    shown = torch.where(loss.samples.valid.unsqueeze(-1), states, torch.nan)
    loss.scale = torch.where(never, spreads(shown), loss.scale)


def unseen(loss: Loss) -> Tensor:
    """(N, 1, n): states that a trajectory shows at one sample, where it starts, or at none."""
    return torch.isfinite(loss.coordinates.inner(loss.samples.states)).sum(1, keepdim=True) < 2
