"""Let the data say how noisy they are and how far a net may go: the evidence approximation.

Nothing is held back for it, which matters where a dozen samples are all there is. A net that the data do not need is
drawn to its null value; one that they need is let go.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from archsearch.training.batches import Batch
from archsearch.training.gauss_newton import FIRST_DAMPING, descend
from archsearch.training.least_squares import LeastSquares
from archsearch.training.losses import Loss
from archsearch.training.stages import Stage

ROUNDS = 6
STEPS = 12
"""Iterations of least squares between two updates."""
SETTLED = 0.05
"""Relative change of noise and precision below which they have settled."""
CLEAN = 1e-6
"""Variance of the noise, in variances of the data, below which the priors no longer matter."""
NOISE = (1e-8, 1.0)
PRECISION = (1e-3, 1e3)


@dataclass(frozen=True)
class Hyper:
    """Variance of the noise in variances of the data, and precision of the weights relative to 1 / fan-in."""

    noise: float
    precision: float

    def settled(self, before: Hyper) -> bool:
        """Whether it has moved little."""
        pairs = ((self.noise, before.noise), (self.precision, before.precision))
        return all(abs(new - old) <= SETTLED * old for new, old in pairs)


def maximise_evidence(loss: Loss) -> Stage:
    """Fit whole trajectories, noise and prior of the weights in turns, in place.

    Begins from much noise, so that of several solutions the one nearest to the physics is found.

    Reference:
        MacKay (1992), Neural Computation 4:448, eq. 31 and 32 of the regression paper 4:415; in Levenberg-Marquardt as
        in Foresee & Hagan (1997), with the precision of physical parameters kept and initial states integrated out.
    """
    batch = Batch.whole(loss)
    now, steps, damping = Hyper(float(loss.noise), loss.settings.weight_decay), 0, FIRST_DAMPING
    for _ in range(ROUNDS):
        reached = descend(loss, batch, STEPS, damping)
        steps, damping = steps + reached.steps, reached.damping
        new = _updated(loss, batch, now)
        if new is None:
            break
        _set(loss, new)
        settled = new.settled(now) or new.noise < CLEAN
        now = new
        if settled:
            break
    reached = descend(loss, batch, loss.settings.least_squares_steps, damping)
    said = f"noise {now.noise**0.5:.2g}, precision of weights {now.precision:.2g}; {reached.reason}"
    return Stage("evidence", steps + reached.steps, reached.loss, said)


def _set(loss: Loss, hyper: Hyper) -> None:
    loss.noise = torch.full_like(loss.noise, hyper.noise)
    loss.settings = loss.settings.model_copy(update={"weight_decay": hyper.precision})


def _updated(loss: Loss, batch: Batch, now: Hyper) -> Hyper | None:
    """Noise and precision that fit the current point; None if its curvature is singular."""
    squares = LeastSquares(loss, batch, regularized=False)  # regularizers are no data: they determine nothing
    point = squares.here()
    cost, z = squares.cost(point)
    covariance = squares.equations(point, z).covariance()
    if covariance is None or not cost < float("inf"):
        return None
    _, precision = loss.prior()
    size, physical = len(point.p), len(loss.model.raw)
    # the sum of squares is in units of the noise, so its inverse times the noise is the posterior covariance
    by_data = (1.0 - now.noise * precision * covariance.diagonal()[:size]).clamp(0.0, 1.0)
    free = float(by_data.sum()) + loss.initial.count()
    return Hyper(_noise(loss, z, free, now), _precision(precision, point.p, by_data, physical, now))


def _noise(loss: Loss, z: Tensor, free: float, now: Hyper) -> float:
    """Misfit over degrees of freedom; as it was where nothing is left over to tell, or where it is known."""
    seen = float(torch.isfinite(loss.samples.states).sum())
    if not loss.noise_is_free or seen - free < 1.0:
        return now.noise
    return _within(loss.error(z, loss.samples.valid) * seen / (seen - free), NOISE)


def _precision(precision: Tensor, p: Tensor, by_data: Tensor, physical: int, now: Hyper) -> float:
    """How many weights the data determine over their weighed sum of squares."""
    squares = float((precision[physical:] / now.precision * p[physical:].square()).sum())
    return _within(float(by_data[physical:].sum()) / squares, PRECISION) if squares > 0 else now.precision


def _within(value: float, ends: tuple[float, float]) -> float:
    return min(max(value, ends[0]), ends[1])
