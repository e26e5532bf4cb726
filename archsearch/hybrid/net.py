"""What a candidate says of a neural part: what it sees, how it joins the physics, what is certain about it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
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
            monotone then hold above it. A net that is monotone in that one input is a difference to its value there,
            and may rise and saturate as it likes; any other is multiplied by tanh of the distance, so that along an
            input in which it rises it cannot saturate before the data do.
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

    @property
    def signs(self) -> tuple[float, ...]:
        """For each input the sign of the slope before the output is turned by `direction`; 0 if it is free."""
        signs = {"+": self.direction, "-": -self.direction}
        monotone = self.monotone or {}
        return tuple(signs[monotone[name]] if name in monotone else 0.0 for name in self.inputs)

    @property
    def anchor(self) -> str | None:
        """The input along which the net is a difference to its value at the zero; None if it is no such net.

        It is monotone in this input alone: a difference says nothing of how it turns along others.
        """
        monotone = tuple(self.monotone or {})
        return monotone[0] if len(monotone) == 1 and monotone[0] in (self.zero_at or {}) else None

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
        if self.bounded and self.anchored and not (low <= 0 < high if self.direction > 0 else low < 0 <= high):
            self._refuse(f"bounded is {self.bounded} but it is zero at {self.zero_at}", "Let the interval hold 0.")

    def _refuse(self, found: str, remedy: str) -> None:
        raise CandidateError(f"Net(inputs={self.inputs!r}, ...): {found}.", remedy)
