"""Neural parts: small smooth nets that know how they join the physics and what is certain about them beforehand."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from archsearch.hybrid.candidate_error import CandidateError
from archsearch.hybrid.columns import Seen, broadcast, moments
from archsearch.hybrid.monotone import from_zero, signed
from archsearch.hybrid.net import ACTIVATIONS, Net

SOFTPLUS_ONE = math.log(math.e - 1)
"""softplus of this is 1."""
QUIET = -2.0
"""softplus of this is 0.13: a positive net that is added starts small."""
SMALL = 0.13
"""The size that a net which rises from its zero starts with if it is added, relative to what it is added to."""


@dataclass(frozen=True)
class Layer:
    """One pass through one layer.

    Attributes:
        index: which layer.
        matrix: (out, in), the weights as they act.
        entered: (..., in).
        left: (..., out), before the activation.
    """

    index: int
    matrix: Tensor
    entered: Tensor
    left: Tensor


class NetModule(torch.nn.Module):
    """The weights of a net and the scales that it was calibrated with.

    Args:
        declaration: what the candidate declared.
        generator: where the start weights are drawn from.
    """

    def __init__(self, declaration: Net, generator: torch.Generator) -> None:
        super().__init__()
        self.declaration = declaration
        self.outputs = max(len(declaration.outputs), 1)
        self._width = len(declaration.inputs)
        self._replaces = declaration.role in ("replace", "map")
        self._activation = ACTIVATIONS[declaration.activation]
        widths = (len(declaration.inputs), *declaration.hidden, self.outputs)
        self._layers = tuple((f"weight_{index}", f"bias_{index}") for index in range(len(widths) - 1))
        for index, (wide, narrow) in enumerate(itertools.pairwise(widths)):
            self._add_layer(index, wide, narrow, generator)
        ones = torch.ones(len(declaration.inputs), dtype=torch.float64)
        self.register_buffer("mean", 0 * ones)
        self.register_buffer("std", ones)
        self.register_buffer("scale", torch.ones(self.outputs, dtype=torch.float64))
        self.register_buffer("shift", torch.full((self.outputs,), self._quiet_shift(), dtype=torch.float64))
        self._zeros = {declaration.inputs.index(name): at for name, at in (declaration.zero_at or {}).items()}
        self._anchor = None if declaration.anchor is None else declaration.inputs.index(declaration.anchor)
        self._falls = declaration.direction < 0
        self._signs = declaration.signs if declaration.monotone else None
        self._to_form = self._chosen_form()
        self._seen, self._place = Seen(), slice(0)
        self._tap: list[Layer] | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        """The input mask."""
        return self.declaration.inputs

    @property
    def role(self) -> str:
        """How the output joins the physics."""
        return self.declaration.role

    @property
    def hidden(self) -> tuple[int, ...]:
        """Widths of the hidden layers."""
        return self.declaration.hidden

    @property
    def weights(self) -> int:
        """The number of weights and biases."""
        return sum(parameter.numel() for parameter in self.parameters())

    def forward(self, *args: Any, instead_of: Any = None, relative_to: Any = None) -> Any:
        """The output of the net, in natural units.

        Args:
            args: one tensor (...) per input, in the unit of the input.
            instead_of: what the physics has in this place; required for roles replace and map.
            relative_to: for role add without outputs, the quantity that is corrected; it sets the size.
        """
        if len(args) != self._width or (instead_of is None and self._replaces):
            self._refuse_bad_call(args, instead_of)
        joined = self._joined(args)
        buffers: dict[str, Any] = self._buffers
        out = self._to_form(self._raw(joined))
        for index, at in self._zeros.items():
            if index == self._anchor:
                continue
            distance = (joined[..., index : index + 1] - at) / buffers["std"][index]
            out = out * torch.tanh(distance)
        if self._falls:
            out = -out
        return out.squeeze(-1) if self.outputs == 1 else out.unbind(-1)

    __call__ = forward
    """Without the hooks of a module call: equations are evaluated thousands of times."""

    def sees(self, seen: Seen, variables: Sequence[str]) -> None:
        """Tell the net where the complete state stands while equations are evaluated, and what its columns are."""
        first = variables.index(self.inputs[0]) if self.inputs[0] in variables else 0
        place = slice(first, first + self._width)
        if tuple(variables[place]) == self.inputs:
            self._seen, self._place = seen, place

    def _joined(self, args: Sequence[Any]) -> Tensor:
        """(..., inputs): what the net is called with, cut out of the state where it is neighbouring columns of it."""
        columns = self._seen.columns[self._place]
        if len(columns) == len(args) and all(map(operator.is_, args, columns)):
            x: Any = self._seen.x
            return x if len(self._seen.columns) == len(args) else x[..., self._place]  # type: ignore[no-any-return]
        values = broadcast(args)
        return torch.stack(values, -1) if len(values) > 1 else values[0].unsqueeze(-1)

    @contextmanager
    def tapped(self) -> Iterator[list[Layer]]:
        """Note what enters and leaves every layer, call by call, as long as the block lasts."""
        noted: list[Layer] = []
        self._tap = noted
        try:
            yield noted
        finally:
            self._tap = None

    def null(self, *args: Any, instead_of: Any = None, relative_to: Any = None) -> Any:
        """What the net returns to vanish: 0, 1, or what it replaced."""
        self._refuse_bad_call(args, instead_of)
        if self.role in ("replace", "map"):
            return instead_of if isinstance(instead_of, Tensor) else torch.as_tensor(instead_of, dtype=torch.float64)
        like = broadcast(args)[0]
        if self.role == "scale":
            return torch.ones_like(like)
        return torch.zeros_like(like) if self.outputs == 1 else (torch.zeros_like(like),) * self.outputs

    @torch.no_grad()
    def calibrate(self, args: Sequence[Any], reference: Any, slopes: Tensor | None) -> None:
        """Set input means and spreads, and the size of the output.

        Args:
            args: one tensor (...) per input: where the data lie.
            reference: what it replaces or corrects, None if nothing.
            slopes: (outputs,), size of the derivatives that it is added to, None if unknown.
        """
        columns = torch.stack(broadcast(args), -1).reshape(-1, len(self.inputs))
        for index, column in enumerate(columns.unbind(-1)):
            mean, spread = moments(column)
            self.get_buffer("mean")[index] = mean
            self.get_buffer("std")[index] = spread or abs(mean) or 1.0
        if self._anchor is not None:
            self._calibrate_rise(columns, reference, slopes)
        elif reference is not None:
            mean, spread = moments(torch.as_tensor(reference, dtype=torch.float64))
            self._calibrate_output(torch.tensor(mean), torch.tensor(math.hypot(mean, spread) or 1.0))
        elif self.role == "add" and slopes is not None:
            self._calibrate_output(torch.zeros(()), slopes)

    def _calibrate_rise(self, columns: Tensor, reference: Any, slopes: Tensor | None) -> None:
        """Let the start weights rise from the zero to the size of the output where the data lie, or quietly."""
        size = torch.ones(()) if slopes is None or self.role != "add" else slopes
        if reference is not None:
            size = torch.tensor(math.hypot(*moments(torch.as_tensor(reference, dtype=torch.float64))) or 1.0)
        size = SMALL * size if self.role == "add" else size
        if self.declaration.bounded is not None:
            size = torch.atanh((size / self._interval()[1]).clamp(0.05, 0.95))
        typical = self._raw(columns).square().mean(0).sqrt()
        self.get_buffer("scale")[:] = size / torch.where(typical > 0, typical, 1.0)

    def _calibrate_output(self, mean: Tensor, size: Tensor) -> None:
        self.get_buffer("scale")[:] = size if self.role != "scale" else 1.0
        if self.declaration.bounded is not None:
            self.get_buffer("shift")[:] = self._bounded_shift(mean.item() if self.role in ("replace", "map") else None)
        elif self.role in ("replace", "map") and not self._one_sided():
            self.get_buffer("shift")[:] = mean

    def _one_sided(self) -> bool:
        return self.declaration.positive or self.declaration.anchored

    def _interval(self) -> tuple[float, float]:
        """The bounds of the output before zeros and direction are applied."""
        low, high = self.declaration.bounded or (0.0, 1.0)
        if not self.declaration.anchored:
            return low, high
        return (max(low, 0.0), high) if self.declaration.direction > 0 else (max(-high, 0.0), -low)

    def _quiet_shift(self) -> float:
        if self.declaration.bounded is not None:
            return self._bounded_shift(None)
        if self._one_sided() and self.role != "scale":
            return QUIET if self.role == "add" else SOFTPLUS_ONE
        return 0.0

    def _bounded_shift(self, mean: float | None) -> float:
        """The logit at which the output starts near `mean`, or near the null value of the role."""
        low, high = self._interval()
        null = {"add": 0.0, "scale": 1.0}.get(self.role, (low + high) / 2)
        share = ((null if mean is None else mean) - low) / (high - low)
        share = min(max(share, 0.05), 0.95)
        return math.log(share / (1 - share))

    def _chosen_form(self) -> Callable[[Tensor], Tensor]:
        """How the output of the perceptron (..., outputs) becomes one in natural units, within what is declared."""
        if self._anchor is not None:
            return self._scaled if self.declaration.bounded is None else self._saturating
        if self.declaration.bounded is not None:
            return self._bounded
        if self._one_sided():
            return torch.exp if self.role == "scale" else self._positive
        return {"scale": self._factor, "add": self._scaled}.get(self.role, self._shifted)

    def _bounded(self, raw: Tensor) -> Tensor:
        low, high = self._interval()
        return low + (high - low) * torch.sigmoid(raw + self.get_buffer("shift"))

    def _saturating(self, raw: Tensor) -> Tensor:
        return self._interval()[1] * torch.tanh(self._scaled(raw))

    def _factor(self, raw: Tensor) -> Tensor:
        return 1.0 + raw

    def _positive(self, raw: Tensor) -> Tensor:
        return self._scaled(functional.softplus(raw + self.get_buffer("shift")))

    def _scaled(self, raw: Tensor) -> Tensor:
        scale: Any = self._buffers["scale"]
        return scale * raw  # type: ignore[no-any-return]  # torch types _buffers as optional tensors

    def _shifted(self, raw: Tensor) -> Tensor:
        buffers: dict[str, Any] = self._buffers
        return torch.addcmul(buffers["shift"], buffers["scale"], raw)

    def _raw(self, joined: Tensor) -> Tensor:
        """(..., outputs): the perceptron, less what it gives at the zero if the net rises from there."""
        buffers: dict[str, Any] = self._buffers
        standard = (joined - buffers["mean"]) / buffers["std"]
        if self._anchor is None:
            return self._perceptron(standard)
        here, there = from_zero(joined, standard, buffers["std"], self._anchor, self._zeros[self._anchor])
        return self._perceptron(here) - self._perceptron(there)

    def _perceptron(self, hidden: Tensor) -> Tensor:
        parameters: dict[str, Any] = self._parameters
        last = len(self._layers) - 1
        for index, (weight, bias) in enumerate(self._layers):
            matrix = parameters[weight] if self._signs is None else signed(index, parameters[weight], self._signs)
            entered, hidden = hidden, functional.linear(hidden, matrix, parameters[bias])
            if self._tap is not None:
                self._tap.append(Layer(index, matrix, entered, hidden))
            if index < last:
                hidden = self._activation(hidden)
        return hidden

    def _add_layer(self, index: int, wide: int, narrow: int, generator: torch.Generator) -> None:
        """Draw a layer: variance 1 / width, spread biases in the first layer, the last one tenth as large."""
        weight = torch.randn((narrow, wide), generator=generator, dtype=torch.float64) / math.sqrt(wide)
        bias = 2 * torch.rand(narrow, generator=generator, dtype=torch.float64) - 1
        if index == len(self._layers) - 1:
            weight = 0.1 * weight
        if index > 0 or len(self._layers) == 1:
            bias = 0 * bias
        self.register_parameter(f"weight_{index}", torch.nn.Parameter(weight))
        self.register_parameter(f"bias_{index}", torch.nn.Parameter(bias))

    def _refuse_bad_call(self, args: Sequence[Any], instead_of: Any) -> None:
        if len(args) != len(self.inputs):
            raise CandidateError(
                f"Net {self.declaration.name!r} was called with {len(args)} values, expected {len(self.inputs)}: "
                f"{', '.join(self.inputs)}.",
                "Pass one value per name in inputs, in the same order.",
            )
        if instead_of is None and self.role in ("replace", "map"):
            raise CandidateError(
                f"Net {self.declaration.name!r} has role {self.role!r} but was called without instead_of.",
                "Add instead_of=<what the physics has in this place>.",
            )
