"""Neural parts: small smooth nets that know how they join the physics and what is certain about them beforehand."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, overload

import torch
from torch import Tensor
from torch.nn import functional

from archsearch.hybrid.candidate_error import CandidateError

if TYPE_CHECKING:
    from archsearch.hybrid.model import HybridModel

ROLES = ("add", "scale", "replace", "map")
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"tanh": torch.tanh, "softplus": functional.softplus}
SOFTPLUS_ONE = math.log(math.e - 1)
"""softplus of this is 1."""
QUIET = -2.0
"""softplus of this is 0.13: a positive net that is added starts small."""


@dataclass(frozen=True)
class Net:
    """A net of a candidate, called as `self.<name>(...)` inside `rhs` with one tensor per input.

    Its null value, which it returns in a nulled model, is 0 (add), 1 (scale), or `instead_of` (replace, map).

    Attributes:
        inputs: the input mask: names of the states and inputs that it sees, in the order of the call.
        role: how its output joins the physics.
        hidden: widths of the hidden layers.
        outputs: for role add, the states whose derivatives it feeds; they set its size. Several: it returns a tuple.
        positive: the output is positive.
        bounded: the output lies in this interval.
        monotone: the output rises (`+`) or falls (`-`) with an input.
        zero_at: the output is zero where an input has this value, and changes sign there; positive, bounded and
            monotone then hold above it.
        activation: `tanh` or `softplus`; both smooth.
    """

    inputs: tuple[str, ...]
    role: Literal["add", "scale", "replace", "map"] = "add"
    hidden: tuple[int, ...] = (16,)
    outputs: tuple[str, ...] = ()
    positive: bool = False
    bounded: tuple[float, float] | None = None
    monotone: Mapping[str, str] | None = None
    zero_at: Mapping[str, float] | None = None
    activation: Literal["tanh", "softplus"] = "tanh"
    name: str = field(default="", init=False)

    def __post_init__(self) -> None:
        for key in ("inputs", "hidden", "outputs"):
            value = getattr(self, key)
            if isinstance(value, str | int):
                self._refuse(f"{key} must be a tuple, found {value!r}", f"Write {key}=({value!r},).")
            object.__setattr__(self, key, tuple(value))
        object.__setattr__(self, "monotone", dict(self.monotone or {}))
        object.__setattr__(self, "zero_at", dict(self.zero_at or {}))
        self._refuse_bad_shape()
        self._refuse_contradictions()

    def __set_name__(self, owner: type, name: str) -> None:
        object.__setattr__(self, "name", name)

    @overload
    def __get__(self, model: None, owner: type) -> Net: ...

    @overload
    def __get__(self, model: HybridModel, owner: type) -> Callable[..., Any]: ...

    def __get__(self, model: HybridModel | None, owner: type) -> Net | Callable[..., Any]:
        return self if model is None else model._calls[self.name]

    @property
    def direction(self) -> float:
        """-1 if the output must fall with an input at which it is zero, else 1."""
        signs = {sign for name, sign in (self.monotone or {}).items() if name in (self.zero_at or {})}
        return -1.0 if signs == {"-"} else 1.0

    @property
    def anchored(self) -> bool:
        """Whether the output is monotone along an input at which it is zero, so one-sided above it."""
        return any(name in (self.zero_at or {}) for name in self.monotone or {})

    def _refuse_bad_shape(self) -> None:
        if not self.inputs:
            self._refuse("inputs is empty", 'Name what it sees, e.g. inputs=("hare", "lynx").')
        if self.role not in ROLES:
            self._refuse(f"role is {self.role!r}", f"Choose one of {', '.join(ROLES)}.")
        if self.activation not in ACTIVATIONS:
            self._refuse(f"activation is {self.activation!r}", f"Choose one of {', '.join(ACTIVATIONS)}.")
        if any(not isinstance(width, int) or width < 1 for width in self.hidden):
            self._refuse(f"hidden is {self.hidden}", "Give whole numbers of at least 1, e.g. hidden=(16, 16).")
        if self.outputs and self.role != "add":
            self._refuse(f"outputs are given but role is {self.role!r}", "Only a net that is added names outputs.")
        unknown = [name for name in (*(self.monotone or {}), *(self.zero_at or {})) if name not in self.inputs]
        if unknown:
            self._refuse(f"{unknown[0]!r} is not among its inputs", "Add it to inputs, or leave it out.")
        if any(sign not in ("+", "-") for sign in (self.monotone or {}).values()):
            self._refuse(f"monotone is {self.monotone}", 'Use "+" or "-", e.g. monotone={"S": "+"}.')

    def _refuse_contradictions(self) -> None:
        low, high = self.bounded or (0.0, 1.0)
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            self._refuse(f"bounded is {self.bounded}", "Give a finite interval with low < high.")
        if self.bounded and self.positive and low < 0:
            self._refuse(f"it is positive and bounded is {self.bounded}", "Raise the lower bound to 0.")
        signs = {sign for name, sign in (self.monotone or {}).items() if name in (self.zero_at or {})}
        if len(signs) > 1:
            self._refuse("it rises and falls away from its zeros", "Drop one of the monotone or zero_at entries.")
        if self.direction < 0 and self.positive:
            self._refuse("it is positive but falls from its zero", "Drop positive, or turn the monotone sign.")
        if self.bounded and self.anchored and not (high > 0 if self.direction > 0 else low < 0):
            self._refuse(f"bounded is {self.bounded} but it is zero at {self.zero_at}", "Let the interval hold 0.")

    def _refuse(self, found: str, remedy: str) -> None:
        raise CandidateError(f"Net(inputs={self.inputs!r}, ...): {found}.", remedy)


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
        self._zeros = [(declaration.inputs.index(name), at) for name, at in (declaration.zero_at or {}).items()]
        self._signs = self._input_signs()

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
        self._refuse_bad_call(args, instead_of)
        joined = torch.stack(_broadcast(args), -1)
        buffers: dict[str, Any] = self._buffers
        out = self._in_form(self._perceptron((joined - buffers["mean"]) / buffers["std"]))
        for index, at in self._zeros:
            distance = (joined[..., index : index + 1] - at) / buffers["std"][index]
            out = out * torch.tanh(distance)
        if self.declaration.direction < 0:
            out = -out
        return out.squeeze(-1) if self.outputs == 1 else out.unbind(-1)

    def null(self, *args: Any, instead_of: Any = None, relative_to: Any = None) -> Any:
        """What the net returns to vanish: 0, 1, or what it replaced."""
        self._refuse_bad_call(args, instead_of)
        if self.role in ("replace", "map"):
            return instead_of if isinstance(instead_of, Tensor) else torch.as_tensor(instead_of, dtype=torch.float64)
        like = _broadcast(args)[0]
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
        columns = torch.stack(_broadcast(args), -1).reshape(-1, len(self.inputs))
        for index, column in enumerate(columns.unbind(-1)):
            mean, spread = _moments(column)
            self.get_buffer("mean")[index] = mean
            self.get_buffer("std")[index] = spread or abs(mean) or 1.0
        if reference is not None:
            mean, spread = _moments(torch.as_tensor(reference, dtype=torch.float64))
            self._calibrate_output(torch.tensor(mean), torch.tensor(math.hypot(mean, spread) or 1.0))
        elif self.role == "add" and slopes is not None:
            self._calibrate_output(torch.zeros(()), slopes)

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

    def _in_form(self, raw: Tensor) -> Tensor:
        """From the output of the perceptron (..., outputs) to natural units, within what is declared of it."""
        scale: Any = self._buffers["scale"]
        shift: Any = self._buffers["shift"]
        if self.declaration.bounded is not None:
            low, high = self._interval()
            return low + (high - low) * torch.sigmoid(raw + shift)
        if self.role == "scale":
            return torch.exp(raw) if self._one_sided() else 1.0 + raw
        if self._one_sided():
            raw, shift = functional.softplus(raw + shift), 0.0
        out: Tensor = scale * raw if self.role == "add" else shift + scale * raw
        return out

    def _perceptron(self, hidden: Tensor) -> Tensor:
        parameters: dict[str, Any] = self._parameters
        last = len(self._layers) - 1
        for index, (weight, bias) in enumerate(self._layers):
            matrix = parameters[weight] if self._signs is None else self._signed(index, parameters[weight])
            hidden = functional.linear(hidden, matrix, parameters[bias])
            if index < last:
                hidden = self._activation(hidden)
        return hidden

    def _signed(self, index: int, weight: Tensor) -> Tensor:
        """The weights of a monotone net: of the given sign along monotone inputs, non-negative in later layers."""
        if index:
            return functional.softplus(weight)
        signs = self._signs or ()
        columns = [
            weight[:, at] if sign == 0 else sign * functional.softplus(weight[:, at]) for at, sign in enumerate(signs)
        ]
        return torch.stack(columns, -1)

    def _input_signs(self) -> tuple[float, ...] | None:
        declaration = self.declaration
        if not declaration.monotone:
            return None
        signs = {"+": declaration.direction, "-": -declaration.direction}
        return tuple(signs[declaration.monotone[name]] if name in declaration.monotone else 0.0 for name in self.inputs)

    def _add_layer(self, index: int, wide: int, narrow: int, generator: torch.Generator) -> None:
        """Draw a layer: variance 1 / width, spread biases in the first layer, the last one tenth as large."""
        weight = torch.randn((narrow, wide), generator=generator, dtype=torch.float64) / math.sqrt(wide)
        bias = 2 * torch.rand(narrow, generator=generator, dtype=torch.float64) - 1
        if index == len(self._layers) - 1:
            weight = 0.1 * weight
        if self.declaration.monotone:
            weight = self._start_signed(index, weight)
        if index > 0 or len(self._layers) == 1:
            bias = 0 * bias
        self.register_parameter(f"weight_{index}", torch.nn.Parameter(weight))
        self.register_parameter(f"bias_{index}", torch.nn.Parameter(bias))

    def _start_signed(self, index: int, weight: Tensor) -> Tensor:
        """Raw weights whose softplus is |weight|, for the columns that are sign-constrained."""
        inverse = torch.log(torch.expm1(weight.abs() + 1e-3))
        if index:
            return inverse
        free = torch.tensor([name not in (self.declaration.monotone or {}) for name in self.inputs])
        return torch.where(free, weight, inverse)

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


def _broadcast(args: Sequence[Any]) -> list[Tensor]:
    first = args[0]
    if all(isinstance(arg, Tensor) and arg.shape == first.shape for arg in args):
        return list(args)
    tensors = [arg if isinstance(arg, Tensor) else torch.as_tensor(arg, dtype=torch.float64) for arg in args]
    return list(torch.broadcast_tensors(*tensors))  # type: ignore[no-untyped-call]  # torch leaves it untyped


def _moments(values: Tensor) -> tuple[float, float]:
    """Mean and standard deviation of the finite values; (0, 0) if there are none."""
    finite = values[torch.isfinite(values)]
    if not finite.numel():
        return 0.0, 0.0
    mean = finite.mean()
    return mean.item(), (finite - mean).square().mean().sqrt().item()
