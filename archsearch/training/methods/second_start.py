"""A second start where a fit with nets ends in much noise: the evidence has a maximum at which nothing is learned.

Where data jump, the smooth that a fit begins with takes the jumps for noise, and with so much noise the prior keeps the
nets from ever finding out: all is noise, and the nets are nothing. From the other side, with little noise held until
the nets have learned what they can, the evidence finds its other maximum, if there is one.
"""

from __future__ import annotations

import torch

from archsearch.training.methods.chain import by_least_squares
from archsearch.training.methods.evidence import maximise_evidence
from archsearch.training.methods.stages import Journal
from archsearch.training.squares.batches import Batch
from archsearch.training.squares.least_squares import LeastSquares
from archsearch.training.squares.losses import FIRST_NOISE, Loss

LOUD = 0.1
"""Variance of the noise that was found, in variances of the data, from which on a fit is doubted."""
CLEARER = 0.5
"""The second fit is kept if it explains the data with less than this part of the noise of the first."""


def by_least_squares_twice(loss: Loss, journal: Journal, generator: torch.Generator) -> None:
    """`by_least_squares`, and again from the same start with little noise held if much of it was found."""
    squares = LeastSquares(loss, Batch.whole(loss))
    begin, noise, settings = squares.here(), loss.noise, loss.settings
    by_least_squares(loss, journal, generator)
    if journal.stopped or not (loss.noise_is_free and loss.model.nets() and bool(loss.noise.max() > LOUD)):
        return
    first, found, tuned = squares.here(), loss.noise, loss.settings
    squares.go(begin)
    loss.settings, loss.noise = settings, torch.full_like(noise, FIRST_NOISE)
    loss.known_noise = torch.full_like(loss.scale, FIRST_NOISE)
    by_least_squares(loss, journal, generator)
    loss.known_noise = None
    journal.run("noise let go", lambda watch: maximise_evidence(loss, watch=watch))
    if not bool(loss.noise.max() < CLEARER * found.max()):
        squares.go(first)
        loss.noise, loss.settings = found, tuned
