"""Physical parameters: declared with value, bounds and unit, fitted in coordinates that cannot leave the bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

import torch
from torch import Tensor

from archsearch.hybrid.candidate_error import CandidateError

if TYPE_CHECKING:
    from archsearch.hybrid.model import HybridModel

NUDGE = 1e-9
"""How far from a bound a value is put that was given as the bound itself, relative to the interval."""


class Param:
    """A physical parameter of a candidate, read as `self.<name>` inside `rhs`.

    Both bounds: a scaled sigmoid. One bound: the bound plus or minus an exponential. No bound: the value divided by
    max(|value|, 1).

    Args:
        value: where the fit starts; strictly inside the bounds.
        low: lower bound, None for none.
        high: upper bound, None for none.
        unit: the unit of value and bounds, as pint reads it.
        fixed: a constant, never fitted.
    """

    def __init__(
        self, value: float, low: float | None = None, high: float | None = None, unit: str = "1", fixed: bool = False
    ) -> None:
        self.name = ""
        self.value = float(value)
        self.low = None if low is None else float(low)
        self.high = None if high is None else float(high)
        self.unit = unit
        self.fixed = fixed
        if not fixed:
            self._refuse_bad_bounds()

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, model: None, owner: type) -> Param: ...

    @overload
    def __get__(self, model: HybridModel, owner: type) -> Tensor: ...

    def __get__(self, model: HybridModel | None, owner: type) -> Param | Tensor:
        if model is None:
            return self
        return model._parameter(self)

    def __repr__(self) -> str:
        return f"Param({self.value}, low={self.low}, high={self.high}, unit={self.unit!r})"

    @property
    def kind(self) -> int:
        """0 for two bounds, 1 for one, 2 for none: the transform that keeps the value in them."""
        return 2 - (self.low is not None) - (self.high is not None)

    def to_raw(self, value: float) -> float:
        """The fitted coordinate of a value in natural units; a value at or beyond a bound is put just inside it."""
        if self.low is not None and self.high is not None:
            share = (value - self.low) / (self.high - self.low)
            share = min(max(share, NUDGE), 1 - NUDGE)
            return math.log(share) - math.log1p(-share)
        if self.low is not None or self.high is not None:
            distance = value - self.low if self.low is not None else float(self.high or 0.0) - value
            return math.log(max(distance, NUDGE))
        return value / max(abs(self.value), 1.0)

    def refuse_outside(self, value: float) -> None:
        """Raise if a value is not finite or out of bounds."""
        low, high = self._ends()
        if not (math.isfinite(value) and low <= value <= high):
            raise CandidateError(
                f"Parameter {self.name!r}: expected a value between {low:g} and {high:g}, found {value:g}.",
                "Choose a value inside the bounds, or widen them.",
            )

    def _ends(self) -> tuple[float, float]:
        return (-math.inf if self.low is None else self.low, math.inf if self.high is None else self.high)

    def _refuse_bad_bounds(self) -> None:
        low, high = self._ends()
        if not (math.isfinite(self.value) and low < self.value < high):
            raise CandidateError(
                f"Param({self.value:g}, low={self.low}, high={self.high}): expected low < value < high.",
                "Move the value strictly inside the bounds, or widen them.",
            )


class Transform(torch.nn.Module):
    """From fitted coordinates to natural values, all parameters of a model in a few operations.

    Args:
        declared: the parameters that are fitted, in any order; `order` says how they lie in the raw vector.
    """

    def __init__(self, declared: Sequence[Param]) -> None:
        super().__init__()
        ordered = sorted(declared, key=lambda param: param.kind)
        self.order = tuple(param.name for param in ordered)
        self.sizes = [sum(param.kind == kind for param in ordered) for kind in range(3)]
        both, one, none = ([param for param in ordered if param.kind == kind] for kind in range(3))
        self._constant("low", [param.low for param in both])
        self._constant("high", [param.high for param in both])
        self._constant("end", [param.low if param.low is not None else param.high for param in one])
        self._constant("sign", [1.0 if param.low is not None else -1.0 for param in one])
        self._constant("scale", [max(abs(param.value), 1.0) for param in none])

    def _constant(self, name: str, values: Sequence[float | None]) -> None:
        self.register_buffer(name, torch.tensor(values, dtype=torch.float64), persistent=False)

    def forward(self, raw: Tensor) -> dict[str, Tensor]:
        """Values (...) in natural units by name; raw: (..., P), fitted coordinates in the order of `order`."""
        constants: dict[str, Any] = self._buffers
        values: list[Tensor] = []
        two, one, free = self._by_kind(raw)
        if self.sizes[0]:
            values += torch.lerp(constants["low"], constants["high"], torch.sigmoid(two)).unbind(-1)
        if self.sizes[1]:
            values += (constants["end"] + constants["sign"] * torch.exp(one)).unbind(-1)
        if self.sizes[2]:
            values += (constants["scale"] * free).unbind(-1)
        return dict(zip(self.order, values, strict=True))

    def _by_kind(self, raw: Tensor) -> tuple[Tensor, ...]:
        if max(self.sizes) == len(self.order):
            return raw, raw, raw
        return torch.split(raw, self.sizes, -1)
