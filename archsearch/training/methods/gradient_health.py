"""Whether the gradient of a rollout can be trusted, asked before it is: finite, right, and not exploding with time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from archsearch.training.flow.integrate import rollout
from archsearch.training.methods.directional_derivatives import relative_error
from archsearch.training.methods.sensitivity_growth import growth_rate, log_growth
from archsearch.training.squares.losses import Loss

Verdict = Literal["healthy", "discontinuous", "chaotic", "not finite"]

RIGHT = 1e-3
"""Relative error under which a directional derivative is called right."""
EXPLODES = math.log(100.0)
"""A sensitivity that grows exponentially by more than this over the data makes the rollout chaotic."""
GROWTH_PER_WINDOW = 0.3
"""A window ends when sensitivities have grown by this, as a logarithm."""


@dataclass(frozen=True)
class GradientHealth:
    """What may be expected of gradients of a rollout.

    Attributes:
        relative_error: of the directional derivatives, the worst of the directions; NaN where nothing was finite.
        growth_rate: of the sensitivity to the initial state, 1 / time unit.
        window: sampling intervals after which a window must end; all of them if the rollout is healthy.
        verdict: in one word.
        said: in one sentence, for a person.
    """

    relative_error: float
    growth_rate: float
    window: int
    verdict: Verdict
    said: str


def gradient_health(loss: Loss, generator: torch.Generator) -> GradientHealth:
    """Judge the gradients of a training problem at the point where the model stands, which is left as it is.

    Sensitivities grow along the rollout, or else along the data as smoothed, because a candidate that is wrong yet may
    rest where the data wander. If they explode, gradients of windows are judged in place of those of the whole
    rollout, whose differences no step resolves.

    Args:
        loss: the training problem.
        generator: draws the directions.

    Reference:
        The three ways in which gradients of simulators fail as in Newbury et al. (2024), IEEE Access 12, "A Review of
        Differentiable Simulators".
    """
    intervals = loss.samples.times.shape[1] - 1
    z = _rolled(loss)
    finite = torch.isfinite(z).all(-1).all(0)
    rate = _growth(loss, z)
    exploding = not bool(finite.all()) or rate * _span(loss) > EXPLODES
    window = _window(loss, rate, int(finite.sum()) if exploding else 0) if exploding else intervals
    error = relative_error(loss, window, generator)
    verdict = _verdict(bool(finite.all()), exploding, error)
    return GradientHealth(error, rate, window, verdict, _said(verdict, loss, rate, error, window))


def _verdict(finite: bool, exploding: bool, error: float) -> Verdict:
    if not finite or not math.isfinite(error):
        return "not finite"
    if error >= RIGHT:
        return "discontinuous"
    return "chaotic" if exploding else "healthy"


def _said(verdict: Verdict, loss: Loss, rate: float, error: float, window: int) -> str:
    """One sentence on why, and what follows."""
    until = f"windows of at most {window} sampling intervals"
    return {
        "healthy": f"Gradients of the rollout are right (relative error {error:.1e}) and do not explode.",
        "chaotic": f"Small errors grow by a factor e every {1 / max(rate, 1e-300):.3g} time units over "
        f"{_span(loss):.3g}: fit {until}.",
        "discontinuous": f"The loss jumps: its differences and its gradient disagree by {error:.1e}, so do not trust "
        "what a method that follows gradients finds.",
        "not finite": f"The rollout or its gradient is not finite: fit {until}.",
    }[verdict]


@torch.no_grad()
def _rolled(loss: Loss) -> Tensor:
    """(N, T, n), inner coordinates, on the training grid."""
    samples = loss.samples
    with loss.model.prepared():
        return rollout(loss.field(), loss.initial.value(), samples.times, samples.inputs, loss.settings.substeps)


def _growth(loss: Loss, z: Tensor) -> float:
    """The growth rate along the rollout; where that is finite and does not explode, along the smooth if larger."""
    times, valid = loss.samples.times, loss.samples.valid
    rate = growth_rate(log_growth(loss, z), times, valid)
    if math.isfinite(rate) and rate * _span(loss) > EXPLODES and bool(torch.isfinite(z).all()):
        return rate
    smooth = torch.where(torch.isfinite(loss.smoothed.states), loss.smoothed.states, z)
    known = [one for one in (rate, growth_rate(log_growth(loss, smooth), times, valid)) if math.isfinite(one)]
    return max(known) if known else math.inf


def _window(loss: Loss, rate: float, finite: int) -> int:
    """Intervals after which sensitivities have grown enough, or half of those that can be rolled out; one at least."""
    steps = loss.samples.times.diff(dim=1)
    step = float(steps[steps > 0].median()) if bool((steps > 0).any()) else 1.0
    by_growth = GROWTH_PER_WINDOW / (rate * step) if rate > 0 else math.inf
    by_blow_up = finite // 2 if finite < loss.samples.times.shape[1] else math.inf
    longest = loss.samples.times.shape[1] - 1
    return max(1, int(min(by_growth, by_blow_up, longest)))


def _span(loss: Loss) -> float:
    """Length of the longest trajectory."""
    times = loss.samples.times
    return float((times[:, -1] - times[:, 0]).max())
