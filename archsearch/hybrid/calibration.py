"""The scales of the nets of a model, from where the data lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from archsearch.hybrid.columns import moments
from archsearch.hybrid.nets import NetModule

if TYPE_CHECKING:
    from archsearch.hybrid.model import HybridModel


class Calibrator:
    """Stands in for a net while it is calibrated: takes note of what it is called with, returns the null value."""

    def __init__(self, module: NetModule, slopes: Mapping[str, float]) -> None:
        self._module = module
        self._slopes = slopes

    def __call__(self, *args: Any, instead_of: Any = None, relative_to: Any = None) -> Any:
        """The null value, after the net was calibrated with these arguments."""
        null = self._module.null(*args, instead_of=instead_of)
        outputs = self._module.declaration.outputs
        slopes = torch.tensor([self._slopes[name] for name in outputs], dtype=torch.float64) if outputs else None
        self._module.calibrate(args, relative_to if instead_of is None else instead_of, slopes)
        return null


@torch.no_grad()
def calibrate(model: HybridModel, t: Any, x: Tensor, u: Tensor | None, derivatives: Tensor) -> None:
    """Walk every method that the candidate writes and set the scales of the nets that are called there.

    Args:
        model: whose nets.
        t: (B,), times.
        x: (B, n) or (B, n + q), NaN where unknown.
        u: (B, m), inputs.
        derivatives: (n,), size of the derivatives, or of the outputs of a static model; NaN where unknown.
    """
    if model.is_static:
        _calibrate_static(model, u, derivatives)
        return
    w = _completed(model, x)
    slopes = _by_name(model, derivatives, model.nulled().derivative(t, w, u))
    noting = _noting(model, {name: _spread(column) for name, column in zip(model.states, x.unbind(-1), strict=False)})
    for part in (noting.residuals, noting.margins, noting.measured):
        part(t, w, u)
    noting.initial_states(u)
    _noting(model, slopes).derivative(t, w, u)  # last: a net that stands in rhs as well takes the scales it has there


def _calibrate_static(model: HybridModel, u: Tensor | None, sizes: Tensor) -> None:
    assert u is not None, "a static model has inputs"
    _noting(model, _by_name(model, sizes, model.nulled().outputs(u))).outputs(u)


def _completed(model: HybridModel, x: Tensor) -> Tensor:
    """(B, n + q): algebraic variables that are not given stand at their start guesses."""
    guesses = x.new_tensor(list(model.algebraic_variables.values()))
    lacking = x.shape[-1] == len(model.states)
    return torch.cat([x, guesses.expand(*x.shape[:-1], -1)], -1) if lacking else x


def _noting(model: HybridModel, sizes: Mapping[str, float]) -> HybridModel:
    view = model.nulled()
    view._calls = {name: Calibrator(module, sizes) for name, module in model.nets().items()}
    return view


def _by_name(model: HybridModel, sizes: Tensor, physics: Tensor) -> dict[str, float]:
    pairs = zip(model.states, sizes.tolist(), physics.unbind(-1), strict=True)
    return {name: size_of(size, column) for name, size, column in pairs}


def size_of(size: float, physics: Tensor) -> float:
    """The size of a derivative: as measured, else as the physics has it, else 1."""
    if size > 0 and size != float("inf"):
        return size
    finite = physics[torch.isfinite(physics)]
    return (finite.square().mean().sqrt().item() if finite.numel() else 0.0) or 1.0


def _spread(values: Tensor) -> float:
    """The size of a quantity that is measured itself: its standard deviation, else its size, else 1."""
    mean, deviation = moments(values)
    return deviation or abs(mean) or 1.0
