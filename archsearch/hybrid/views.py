"""What the views of a hybrid model are made of: named tensors, gates that watch, nets that take note."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from archsearch.hybrid.nets import NetModule


class Prepared:
    """Parameter values in natural units, with the raw vector that they were computed from."""

    __slots__ = ("raw", "values")

    def __init__(self) -> None:
        self.raw: Tensor | None = None
        self.values: dict[str, Tensor] = {}


class Recorder(dict[str, Any]):
    """Gates that keep what passes through them, after the gates that were there before."""

    def __init__(self, gates: Mapping[str, Any]) -> None:
        super().__init__()
        self.seen: dict[str, Tensor] = {}
        self._gates = gates

    def __bool__(self) -> bool:
        return True

    def get(self, name: str, default: Any = None) -> Any:
        """A gate that notes the gated value under the name."""

        def note(value: Any) -> Any:
            gated = value if name not in self._gates else self._gates[name] * value
            self.seen[name] = gated
            return gated

        return note


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


def named_view(kind: str, names: Sequence[str]) -> Any:
    """A tuple type with these names, whose error says which names there are."""

    def missing(self: Any, name: str) -> Any:
        raise AttributeError(f"There is no {name!r} among the {kind}: {', '.join(names) or 'none'}.")

    base = namedtuple(kind, names)  # type: ignore[misc]  # the names are known at run time only
    return type(kind, (base,), {"__slots__": (), "__getattr__": missing})


def arrays_of(net: NetModule) -> dict[str, Tensor]:
    """The weights and the scales of a net by name."""
    return dict(net.named_parameters()) | dict(net.named_buffers())


def size_of(size: float, physics: Tensor) -> float:
    """The size of a derivative: as measured, else as the physics has it, else 1."""
    if size > 0 and size != float("inf"):
        return size
    finite = physics[torch.isfinite(physics)]
    return (finite.square().mean().sqrt().item() if finite.numel() else 0.0) or 1.0
