"""Intervals, rollouts and their derivatives for many members at once, as pure functions of what each of them has."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor
from torch.func import functional_call, jacrev, vmap

from archsearch.hybrid import HybridModel
from archsearch.training.flow.integrate import Coordinates, rollout
from archsearch.training.flow.layerwise import agree, by_layer
from archsearch.training.flow.sensitivities import Flat, Intervals, Transitions, interval
from archsearch.training.many.given import Common, Given

Way = Literal["member by member", "all at once"]
"""How the derivatives and the equations of several members are computed. A CPU is faster with one after the other,
whose arrays stay in its cache; a GPU with all at once, because it waits for kernels to start."""


class Flow:
    """What a candidate does in time, for members with their own parameters, weights and scales of nets.

    Args:
        common: what they share.
        substeps: Runge-Kutta steps per sampling interval.
        way: how derivatives are computed.
    """

    def __init__(self, common: Common, substeps: int, way: Way) -> None:
        self.substeps, self.way = substeps, way
        self._coordinates, self._inputs = common.coordinates, common.inputs
        self._flat = Flat.of(common.model)
        self._model = common.model
        self._double = _Physics(common.model, common.coordinates, substeps)
        twin = copy.deepcopy(common.model).to(torch.float32)
        self._single = _Physics(twin, common.coordinates, substeps)
        self._twin = twin
        self._fast: bool | None = None

    @torch.no_grad()
    def rolled(self, p: Tensor, given: Given, start: Tensor) -> Tensor:
        """(R, N, T, n), inner coordinates: rollouts from start (R, N, n)."""
        states: Tensor = self._each("rolled", (0, 0, None), p, given, start, given.times, self._inputs)
        return states

    @torch.no_grad()
    def ends(self, p: Tensor, given: Given, z: Tensor) -> Tensor:
        """(R, N, T - 1, n), inner coordinates: where intervals end that begin at z (R, N, T - 1, n)."""
        t, h, u = self._intervals(given)
        ends: Tensor = self._each("ends", (0, 0, 0, None), p, given, z.flatten(1, 2), t, h, u)
        return ends.reshape(z.shape)

    def transitions(self, p: Tensor, given: Given, z: Tensor) -> Transitions:
        """Derivatives of where intervals end, in single precision, of all R N (T - 1) intervals."""
        if self.way == "member by member":
            return self._by_member(p, given, z)
        t, h, u = self._intervals(given)
        arrays = (array.to(torch.float32) for array in (p, z.flatten(1, 2), t, h))
        buffers = {name: array.to(torch.float32) for name, array in given.buffers.items()}
        return self._by_sample(buffers, u.to(torch.float32), *arrays)

    @torch.no_grad()
    def slopes(self, p: Tensor, given: Given) -> tuple[Tensor, Tensor, Tensor]:
        """(R, B, n) each: derivatives of the full model, of the physics alone and as observed, over their spread."""
        nodes = (given.nodes[name] for name in ("t", "z", "u"))
        full, physics = self._each("both", (0, 0, 0), p, given, *nodes)
        size = given.slope.unsqueeze(1)
        return full / size, physics / size, given.nodes["observed"]

    @torch.no_grad()
    def slopes_by_unknowns(self, p: Tensor, given: Given) -> tuple[Tensor, Tensor]:
        """(R, B, n, P), of the full model and of the physics alone, in single precision."""
        buffers = {name: array.to(torch.float32) for name, array in given.buffers.items()}
        nodes = (given.nodes[name].to(torch.float32) for name in ("t", "z", "u"))
        one = jacrev(lambda p, own, *at: self._call(self._single, p, own, "both", *at))
        found = vmap(vmap(one, in_dims=(None, None, 0, 0, 0)))(p.to(torch.float32), buffers, *nodes)
        size = given.slope.to(torch.float32)[:, None, :, None]
        return found[0] / size, found[1] / size

    # ---- inside ------------------------------------------------------------------------------------------------

    def _intervals(self, given: Given) -> tuple[Tensor, Tensor, Tensor]:
        """Left ends and lengths (R, N (T - 1)), inputs (N (T - 1), m)."""
        h = given.times[..., 1:] - given.times[..., :-1]
        return given.times[..., :-1].flatten(1), h.flatten(1), self._inputs[:, :-1].flatten(0, 1)

    def _each(self, part: str, dims: tuple[int | None, ...], p: Tensor, given: Given, *args: Tensor) -> Any:
        """One part of the model for every member; dims: the axis of each argument that counts members."""

        def one(p: Tensor, buffers: dict[str, Tensor], *args: Tensor) -> Any:
            return self._call(self._double, p, buffers, part, *args)

        return vmap(one, in_dims=(0, 0, *dims))(p, given.buffers, *args)

    def _call(self, module: _Physics, p: Tensor, buffers: dict[str, Tensor], part: str, *args: Tensor) -> Any:
        tensors = {f"model.{name}": tensor for name, tensor in (self._flat.tensors(p) | buffers).items()}
        return functional_call(module, tensors, (part, *args))

    @torch.no_grad()
    def _by_sample(
        self, buffers: dict[str, Tensor], u: Tensor, p: Tensor, z: Tensor, t: Tensor, h: Tensor
    ) -> Transitions:
        """Sample by sample, all at once: right for whatever a candidate does."""

        def end(p: Tensor, z: Tensor, buffers: dict[str, Tensor], t: Tensor, h: Tensor, u: Tensor) -> Tensor:
            found: Tensor = self._call(self._single, p, buffers, "ends", z, t, h, u)
            return found

        samples = vmap(jacrev(end, argnums=(0, 1)), in_dims=(None, 0, None, 0, 0, 0))
        by_p, by_z = vmap(samples, in_dims=(0, 0, 0, 0, 0, None))(p, z, buffers, t, h, u)
        return Transitions(by_z.flatten(0, 1), by_p.flatten(0, 1))

    def _by_member(self, p: Tensor, given: Given, z: Tensor) -> Transitions:
        """Layer by layer where that is right for this candidate."""
        t, h, u = self._intervals(given)
        found = []
        for r in range(len(p)):
            over = Intervals(z[r].flatten(0, 1), t[r], h[r], u)
            fast = self._layered(p[r], {name: array[r] for name, array in given.buffers.items()}, over)
            if fast is None:
                one = torch.tensor([r], device=p.device)
                arrays = (array[r : r + 1].to(torch.float32) for array in (p, z.flatten(1, 2), t, h))
                buffers = {name: array[one].to(torch.float32) for name, array in given.buffers.items()}
                fast = self._by_sample(buffers, u.to(torch.float32), *arrays)
            found.append(fast)
        by_state, by_unknowns = zip(*((one.by_state, one.by_unknowns) for one in found), strict=True)
        return Transitions(torch.cat(by_state), torch.cat(by_unknowns))

    def _layered(self, p: Tensor, buffers: dict[str, Tensor], over: Intervals) -> Transitions | None:
        if self._fast is None:
            _stand(self._model, self._flat, p, buffers)
            self._fast = agree(self._model, self._coordinates, over, self.substeps)
        if not self._fast:
            return None
        _stand(self._twin, self._flat, p, buffers)
        z, t, h, u = (array.to(torch.float32) for array in (over.z, over.t, over.h, over.u))
        return by_layer(self._twin, self._coordinates, Intervals(z, t, h, u), self.substeps)


@torch.no_grad()
def _stand(model: HybridModel, flat: Flat, p: Tensor, buffers: dict[str, Tensor]) -> None:
    """Put a model where a member stands."""
    flat.store(model, p)
    for name, array in model.named_buffers():
        if name in buffers:
            array.copy_(buffers[name])


class _Physics(torch.nn.Module):
    """What is asked of a model as parts of one module, so that its parameters are substituted once per call."""

    def __init__(self, model: HybridModel, coordinates: Coordinates, substeps: int) -> None:
        super().__init__()
        self.model = model
        self._coordinates, self._substeps = coordinates, substeps
        self._parts: dict[str, Callable[..., Any]] = {"rolled": self._rolled, "ends": self._ends, "both": self._both}

    def forward(self, part: str, *args: Tensor) -> Any:
        """`rolled`, `ends` or `both`."""
        with self.model.prepared():
            return self._parts[part](*args)

    def _rolled(self, start: Tensor, times: Tensor, inputs: Tensor) -> Tensor:
        return rollout(self._coordinates.field(self.model), start, times, inputs, self._substeps)

    def _ends(self, z: Tensor, t: Tensor, h: Tensor, u: Tensor) -> Tensor:
        return interval(self._coordinates.field(self.model), z, t, h, u, self._substeps)

    def _both(self, t: Tensor, z: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        full, physics = self._coordinates.field(self.model), self._coordinates.field(self.model.nulled())
        return full(t, z, u), physics(t, z, u)
