"""A fitted model of fields, and what its fit means: are its parameters identified, how much is the nets'."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from archsearch.hybrid import HybridModel
from archsearch.training.fields.problem import CLEAN
from archsearch.training.fields.weak_form import WeakForm
from archsearch.training.flow.sensitivities import Flat
from archsearch.training.methods.stages import Stage
from archsearch.training.squares.identified import judged, raw_spread, share_of_nets
from archsearch.training.squares.least_squares import UNINFORMED

POINTS, PER_UNKNOWN = 1000, 2
"""Points at which the curvature is sampled: at least so many, and so many for each unknown."""


@dataclass(frozen=True)
class FieldFit:
    """A fitted model of fields (in place).

    Attributes:
        model: the candidate.
        initial: (N, *grid, n), natural units: where the fitted rollouts start.
        weak: the weak form without regularizers, for diagnoses.
        parameter_prior: precision of the transformed parameters.
        error: mean square error of the rollouts on the training data, in variances of the data.
        stages: what was done.
    """

    model: HybridModel
    initial: Tensor
    weak: WeakForm
    parameter_prior: float
    error: float
    stages: tuple[Stage, ...]

    @property
    def status(self) -> Literal["ok", "diverged"]:
        """`diverged` if no finite rollout was found."""
        return "ok" if math.isfinite(self.error) else "diverged"


def diagnose_field(found: FieldFit) -> dict[str, Any]:
    """Standard errors and identifiability of the physical parameters, and the share of the nets.

    As `diagnose` says of models without a grid, from the curvature of the weak form: it counts what single windows of
    time tell, and not how errors add up over a rollout, so that standard errors are too large rather than too small. Of
    the bias that noise in the frames leaves they know nothing.
    """
    spread = raw_spread(_covariance(found), len(found.model.raw))
    return judged(found.model, spread, found.parameter_prior, enough=True) | {"share": _share(found)}


def _covariance(found: FieldFit) -> Tensor | None:
    """Of the raw parameters, weights of the nets integrated out; None if the equations are singular."""
    p = Flat.of(found.model).vector(found.model)
    size = len(found.model.raw)
    rows = found.weak.rows(p.to(torch.float32), max(POINTS, PER_UNKNOWN * len(p))).double()
    information = rows.T @ rows / max(found.error, CLEAN)
    information.diagonal().add_(UNINFORMED)
    factor, singular = torch.linalg.cholesky_ex(information)
    if int(singular):
        return None
    sides = torch.eye(len(p), size, dtype=rows.dtype, device=rows.device)
    return torch.cholesky_solve(sides, factor)[:size]


@torch.no_grad()
def _share(found: FieldFit) -> float:
    """rms(correction) / rms(derivative) on the smooth, in spreads of the derivatives: 0 without nets."""
    if not found.model.nets():
        return 0.0
    full, physics = found.weak.parts(Flat.of(found.model).vector(found.model).to(torch.float32))
    return share_of_nets(full, physics)
