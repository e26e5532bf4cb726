"""Initial states as unknowns of the fit: estimated per trajectory, shared, known, or read off the first sample."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import functional_call, jacrev, vmap

from archsearch.hybrid import HybridModel
from archsearch.problem.space import Bounds, State
from archsearch.training.data.smoothing import Smoothed
from archsearch.training.data.task import Samples
from archsearch.training.flow.integrate import Coordinates
from archsearch.training.flow.sensitivities import Flat


class InitialStates:
    """The initial states of N trajectories as a differentiable function of few unknowns.

    Args:
        states: what is said of each state's initial value.
        coordinates: the inner coordinates.
        samples: what was measured.
        smoothed: its smooth; start of what is estimated.
        scale: (n,), inner coordinates, one unit of an estimated offset.
        model: the candidate, which may say initial states itself.
    """

    def __init__(
        self,
        states: tuple[State, ...],
        coordinates: Coordinates,
        samples: Samples,
        smoothed: Smoothed,
        scale: Tensor,
        model: HybridModel,
    ) -> None:
        self._unit = scale.clone()
        self._base = _known(states, coordinates, samples, smoothed)
        self._model, self._context = model, samples.inputs[:, 0]
        self._own_words = type(model).initial is not HybridModel.initial
        said = self._said()
        self._said_by_model = torch.zeros_like(self._base, dtype=torch.bool) if said is None else torch.isfinite(said)
        self.unsaid = (~self._said_by_model).to(scale.dtype)
        self._free = torch.tensor([state.initial == "estimate" for state in states], device=scale.device)
        self._free &= ~self._said_by_model.all(0)
        bounds = [state.initial if isinstance(state.initial, Bounds) else None for state in states]
        self._bounded = torch.tensor([bound is not None for bound in bounds], device=scale.device)
        ends = [(bound.low, bound.high) if bound else (0.0, 0.0) for bound in bounds]
        self._low, self._high = torch.tensor(ends, dtype=scale.dtype, device=scale.device).unbind(-1)
        self._coordinates = coordinates
        self.offsets = torch.zeros_like(self._base, requires_grad=True)
        self.shared = torch.zeros_like(scale, requires_grad=True)

    def unknowns(self) -> list[Tensor]:
        """The tensors to fit; empty if every initial value is known."""
        return ([self.offsets] if bool(self._free.any()) else []) + ([self.shared] if bool(self._bounded.any()) else [])

    @property
    def is_free(self) -> bool:
        """Whether any initial value is estimated, trajectory by trajectory."""
        return bool(self._free.any())

    def widen(self, unit: Tensor) -> None:
        """Let estimated offsets go farther: (n,), inner coordinates, at least the units that they have."""
        self._unit = torch.maximum(self._unit, unit)

    def count(self) -> int:
        """How many numbers are fitted."""
        return len(self._base) * int(self._free.sum()) + int(self._bounded.sum())

    def value(self) -> Tensor:
        """(N, n), inner coordinates."""
        return self.at(self.offsets, self.shared)

    def at(self, offsets: Tensor, shared: Tensor) -> Tensor:
        """(N, n), inner coordinates, for unknowns (N, n) and (n,)."""
        z, said = self._unsaid(offsets, shared), self._said()
        return z if said is None else torch.where(self._said_by_model, self._coordinates.inner(said), z)

    def _unsaid(self, offsets: Tensor, shared: Tensor) -> Tensor:
        """(N, n): the same without what the candidate says."""
        shared = self._low + (self._high - self._low) * torch.sigmoid(shared)
        shared = self._coordinates.inner(torch.where(self._bounded, shared, 1.0))
        z = self._base + torch.where(self._free, offsets, 0.0) * self._unit
        return torch.where(self._bounded, shared, z)

    def _said(self) -> Tensor | None:
        """(N, n), natural units: what the candidate says, NaN where it says nothing; None if it never does."""
        return self._model.initial_states(self._context) if self._own_words else None

    def by_unknowns(self, flat: Flat, p: Tensor) -> Tensor | None:
        """(N, n, P): derivatives by parameters and weights; None if the candidate says no initial state."""
        if not self._own_words:
            return None

        def said(p: Tensor, context: Tensor) -> Tensor:
            natural: Tensor = functional_call(self._model, flat.tensors(p), (context,), {"part": "initial_states"})
            return self._coordinates.inner(natural)

        found = vmap(jacrev(said), in_dims=(None, 0))(p, self._context)
        return torch.where(self._said_by_model.unsqueeze(-1), found, 0.0)

    def slopes(self) -> tuple[Tensor, Tensor]:
        """Derivatives of the initial state with respect to its own offset and its own shared unknown, (n,) each."""
        by_offset = torch.where(self._free, self._unit, 0.0)
        with torch.enable_grad():
            (by_shared,) = torch.autograd.grad(self._unsaid(self.offsets, self.shared)[0].sum(), self.shared)
        return by_offset, by_shared

    def prior(self) -> Tensor:
        """Sum of squares of the unknowns, which are of order one: scalar."""
        return torch.where(self._free, self.offsets, 0.0).square().sum() + self.shared.square().sum()


def _known(states: tuple[State, ...], coordinates: Coordinates, samples: Samples, smoothed: Smoothed) -> Tensor:
    """(N, n), inner coordinates: the value that is known, or from which an estimate starts."""
    first = coordinates.inner(samples.states[:, 0])
    columns = []
    for j, state in enumerate(states):
        start = 1.0 if state.positive or state.scale == "log" else 0.0
        guess = torch.nan_to_num(smoothed.states[:, 0, j], nan=0.0 if state.scale == "log" else start)
        if state.initial == "first":
            columns.append(torch.where(torch.isfinite(first[:, j]), first[:, j], guess))
        elif isinstance(state.initial, float):
            value = torch.full_like(samples.states[:, 0], state.initial)
            columns.append(coordinates.inner(value)[:, j])
        else:
            columns.append(guess)
    return torch.stack(columns, -1)
