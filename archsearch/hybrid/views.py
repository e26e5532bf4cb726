"""What the views of a hybrid model are made of: named tensors, gates that watch, prepared values."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping, Sequence
from typing import Any

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


def named_view(kind: str, names: Sequence[str]) -> Any:
    """A tuple type with these names, whose error says which names there are."""

    def missing(self: Any, name: str) -> Any:
        raise AttributeError(f"There is no {name!r} among the {kind}: {', '.join(names) or 'none'}.")

    base = namedtuple("Named", names)  # type: ignore[misc]  # the names are known at run time only
    return type(kind, (base,), {"__slots__": (), "__getattr__": missing})


def arrays_of(net: NetModule) -> dict[str, Tensor]:
    """The weights and the scales of a net by name."""
    return dict(net.named_parameters()) | dict(net.named_buffers())
