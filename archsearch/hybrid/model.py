"""The language that candidates are written in: a hybrid model states its equations once, with names."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Self, final

import torch
from torch import Tensor

from archsearch.hybrid.candidate_error import CandidateError
from archsearch.hybrid.nets import Net, NetModule
from archsearch.hybrid.params import Param, Transform
from archsearch.hybrid.views import Calibrator, Prepared, Recorder, arrays_of, named_view, size_of

OWN = frozenset({"raw", "states", "inputs", "training"})
"""Attributes of a model that its class does not have."""


class HybridModel(torch.nn.Module, abc.ABC):
    """A hybrid of physics and nets, written once in `rhs` and usable whole, without its nets, or term by term.

    Free of state and side effects, of any leading batch shape, and fit for `torch.func`. Views (`nulled`,
    `with_gates`) share parameters, weights and buffers with the model that they were made from.

    Args:
        states: the names of the states, in the order of the last axis of `x`.
        inputs: the names of the inputs, in the order of the last axis of `u`.
        generator: where the start weights of the nets are drawn from (default: a generator seeded with 0).
    """

    dropped: ClassVar[tuple[str, ...]] = ()
    """Terms of the space that this candidate leaves out on purpose."""
    replaced: ClassVar[Mapping[str, str]] = {}
    """Terms of the space in whose place a library term stands, by name."""
    regularizers: ClassVar[Mapping[str, float]] = {}
    """Weights of the regularizers that the loss has, by name."""
    raw: torch.nn.Parameter
    """(P,): the fitted coordinates of the physical parameters."""
    _params: ClassVar[dict[str, Param]] = {}
    _nets: ClassVar[dict[str, Net]] = {}

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Param | Net)}
        for name in own:
            if name.startswith("_") or name in OWN or hasattr(HybridModel, name):
                raise CandidateError(f"The name {name!r} belongs to the model language.", "Choose another name.")
        cls._params = cls._params | {name: value for name, value in own.items() if isinstance(value, Param)}
        cls._nets = cls._nets | {name: value for name, value in own.items() if isinstance(value, Net)}

    def __init__(
        self, states: Sequence[str], inputs: Sequence[str] = (), generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.states = tuple(states)
        self.inputs = tuple(inputs)
        self._state_view = named_view("states", self.states)
        self._input_view = named_view("inputs", self.inputs)
        self._cache = Prepared()
        self._gates: dict[str, Any] = {}
        self._add_parameters()
        self._add_nets(generator or torch.Generator().manual_seed(0))

    # ---- what a candidate writes -------------------------------------------------------------------------------

    @abc.abstractmethod
    def rhs(self, t: Any, x: Any, u: Any) -> dict[str, Any]:
        """The derivative of every state by name; `x.hare` and `u.feed` are tensors (...), `t` broadcasts to them."""

    def observe(self, t: Any, x: Any, u: Any) -> dict[str, Any] | None:
        """What is measured in place of the states, by state name; None: the states themselves."""
        return None

    def initial(self, c: Any) -> dict[str, Any] | None:
        """Initial states from the context of a trajectory, by name; None: they are estimated."""
        return None

    def coefficients(self, c: Any) -> dict[str, Any] | None:
        """Parameters from the context of a trajectory, by name; None: the same for all."""
        return None

    def algebraic(self, t: Any, x: Any, z: Any, u: Any) -> dict[str, Any] | None:
        """What must be zero, by name; None: there are no algebraic equations."""
        return None

    def limits(self, t: Any, x: Any, u: Any) -> dict[str, Any] | None:
        """What must not be negative, by name; None: nothing."""
        return None

    # ---- what a candidate calls --------------------------------------------------------------------------------

    @final
    def term(self, name: str, value: Any) -> Any:
        """A named piece of physics: `value` times its gate, which is 1 unless a view says otherwise."""
        if not self._gates:
            return value
        gate = self._gates.get(name)
        return value if gate is None else gate(value) if callable(gate) else gate * value

    # ---- what everybody else calls -----------------------------------------------------------------------------

    def forward(self, t: Any, x: Tensor, u: Tensor | None = None) -> Tensor:
        """The same as `derivative`, so that `torch.func.functional_call` works."""
        return self.derivative(t, x, u)

    @final
    def derivative(self, t: Any, x: Tensor, u: Tensor | None = None) -> Tensor:
        """The right-hand side as one tensor.

        Args:
            t: (...) or broadcastable to it, in the time unit.
            x: (..., n), in the units of the states.
            u: (..., m), in the units of the inputs; may be left out if there are none.

        Returns:
            (..., n), in state units per time unit.
        """
        if self._cache.raw is self._parameters["raw"]:
            return self._stacked(t, x, u)
        with self.prepared():
            return self._stacked(t, x, u)

    @final
    def measured(self, t: Any, x: Tensor, u: Tensor | None = None) -> Tensor:
        """(..., n): what is measured, `observe` where the candidate has it and the states elsewhere."""
        with self.prepared():
            outputs = self.observe(self._time(t, x), self.named_states(x), self.named_inputs(x, u))
        if outputs is None:
            return x
        self._refuse_names("observe", [name for name in outputs if name not in self.states])
        columns = dict(zip(self.states, x.unbind(-1), strict=True)) | outputs
        return torch.stack([self._column(name, columns[name], x) for name in self.states], -1)

    @final
    def term_values(self, t: Any, x: Tensor, u: Tensor | None = None) -> dict[str, Tensor]:
        """The value of every term that `rhs` names, (...) each."""
        recorder = Recorder(self._gates)
        view = self._copy()
        view._gates = recorder
        view.derivative(t, x, u)
        return recorder.seen

    @final
    def nulled(self) -> Self:
        """A view in which every net returns its null value: the physics alone."""
        view = self._copy()
        view._calls = {name: module.null for name, module in self.nets().items()}
        return view

    @final
    def with_gates(self, gates: Mapping[str, float | Tensor]) -> Self:
        """A view in which these terms are multiplied by these gates, on top of the gates that this view has."""
        view = self._copy()
        view._gates = {**self._gates, **gates}
        return view

    @final
    @contextmanager
    def prepared(self) -> Iterator[Self]:
        """Compute the parameter transforms once for all calls in this block, views included; gradients still flow.

        An optimizer step inside the block is not seen: open a new block after it.
        """
        cache, raw = self._cache, self._parameters["raw"]
        before = cache.raw, cache.values
        if cache.raw is not raw:
            assert raw is not None
            cache.raw, cache.values = raw, self._transform()(raw)
        try:
            yield self
        finally:
            cache.raw, cache.values = before

    @final
    def parameters_declared(self) -> dict[str, Param]:
        """The fitted physical parameters as declared, by name."""
        return {name: param for name, param in self._params.items() if not param.fixed}

    @final
    def constants_declared(self) -> dict[str, Param]:
        """The physical constants (`fixed=True`) as declared, by name."""
        return {name: param for name, param in self._params.items() if param.fixed}

    @final
    def parameter_values(self) -> dict[str, Tensor]:
        """The fitted physical parameters in natural units, () each, differentiable."""
        with self.prepared():
            return {name: self._cache.values[name] for name in self.parameters_declared()}

    @final
    @torch.no_grad()
    def set_parameter(self, name: str, value: float) -> None:
        """Set a physical parameter, in natural units; a value at a bound is put just inside it."""
        if name not in self.parameters_declared():
            known = ", ".join(self.parameters_declared()) or "none"
            raise CandidateError(f"There is no fitted parameter {name!r}.", f"The parameters are: {known}.")
        self._params[name].refuse_outside(value)
        self.raw[self._transform().order.index(name)] = self._params[name].to_raw(value)

    @final
    def nets(self) -> dict[str, NetModule]:
        """The nets by name."""
        modules: dict[str, Any] = self._modules
        return {name: modules[name] for name in self._nets}

    @final
    @torch.no_grad()
    def calibrate(self, t: Any, x: Tensor, u: Tensor | None, derivatives: Tensor) -> None:
        """Set the scales of every net from where the data lie; the same arguments give the same scales.

        Args:
            t: (B,), times.
            x: (B, n), states as measured or smoothed, NaN where unknown.
            u: (B, m), inputs.
            derivatives: (n,), standard deviation of the derivative of each state, NaN where unknown.
        """
        physics = self.nulled().derivative(t, x, u)
        sizes = [size_of(size, physics[..., index]) for index, size in enumerate(derivatives.tolist())]
        slopes = dict(zip(self.states, sizes, strict=True))
        view = self._copy()
        view._calls = {name: Calibrator(module, slopes) for name, module in self.nets().items()}
        view.derivative(t, x, u)

    @final
    def state_arrays(self) -> dict[str, Tensor]:
        """Everything needed to restore the model, as detached float64 tensors.

        Keys: `param.<name>` the natural value, `raw.<name>` its fitted coordinate, `net.<name>.<array>`.
        """
        values = {f"param.{name}": value for name, value in self.parameter_values().items()}
        raw = {f"raw.{name}": self.raw[index] for index, name in enumerate(self._transform().order)}
        nets = {
            f"net.{name}.{key}": array for name, net in self.nets().items() for key, array in arrays_of(net).items()
        }
        return {key: array.detach().to("cpu", torch.float64).clone() for key, array in (values | raw | nets).items()}

    @final
    @torch.no_grad()
    def load_arrays(self, arrays: Mapping[str, Tensor]) -> None:
        """Restore what `state_arrays` gave; keys of others (`initial.*`) are left alone.

        `raw.<name>` restores a parameter bit for bit; where it is missing or belongs to another value, `param.<name>`
        counts.
        """
        for name, net in self.nets().items():
            for key, target in arrays_of(net).items():
                target.copy_(self._array(arrays, f"net.{name}.{key}", target.shape))
        for index, name in enumerate(self._transform().order):
            value = self._array(arrays, f"param.{name}", torch.Size()).item()
            self._params[name].refuse_outside(value)
            self.raw[index] = self._params[name].to_raw(value)
            self._restore_raw(index, value, arrays.get(f"raw.{name}"))

    @final
    def named_states(self, x: Tensor) -> Any:
        """The states of a tensor (..., n) by name."""
        if x.shape[-1] != len(self.states):
            raise CandidateError(
                f"Expected a last axis of {len(self.states)} states ({', '.join(self.states)}), found {x.shape[-1]}."
            )
        return self._state_view._make(x.unbind(-1))

    @final
    def named_inputs(self, x: Tensor, u: Tensor | None) -> Any:
        """The inputs of a tensor (..., m) by name; none if there are none."""
        if not self.inputs:
            return self._input_view()
        if u is None or u.shape[-1] != len(self.inputs):
            found = "none" if u is None else str(u.shape[-1])
            raise CandidateError(
                f"Expected a last axis of {len(self.inputs)} inputs ({', '.join(self.inputs)}), found {found}."
            )
        return self._input_view._make(u.unbind(-1))

    # ---- inside ------------------------------------------------------------------------------------------------

    def _add_parameters(self) -> None:
        fitted = self.parameters_declared()
        transform = Transform(list(fitted.values()))
        raw = [fitted[name].to_raw(fitted[name].value) for name in transform.order]
        self.register_module("_natural", transform)
        self.register_parameter("raw", torch.nn.Parameter(torch.tensor(raw, dtype=torch.float64)))
        for name, param in self.constants_declared().items():
            value = torch.tensor(param.value, dtype=torch.float64)
            self.register_buffer(f"constant_{name}", value, persistent=False)

    def _add_nets(self, generator: torch.Generator) -> None:
        self._calls: dict[str, Callable[..., Any]] = {}
        for name, net in self._nets.items():
            known = (*self.states, *self.inputs)
            self._refuse_names(f"the inputs of net {name!r}", [item for item in net.inputs if item not in known])
            strays = [item for item in net.outputs if item not in self.states]
            self._refuse_names(f"the outputs of net {name!r}", strays)
            module = NetModule(net, generator)
            self._modules[name] = module  # not add_module: the class attribute of that name is the declaration
            self._calls[name] = module

    def _transform(self) -> Transform:
        transform: Any = self._modules["_natural"]
        return transform  # type: ignore[no-any-return]  # torch types _modules as optional modules

    def _parameter(self, param: Param) -> Tensor:
        """The natural value of a parameter, from the cache where it holds for the current raw vector."""
        if param.fixed:
            return self.get_buffer(f"constant_{param.name}")
        if self._cache.raw is self._parameters["raw"]:
            return self._cache.values[param.name]
        with self.prepared():
            return self._cache.values[param.name]

    def _copy(self) -> Self:
        view = object.__new__(type(self))
        view.__dict__ = self.__dict__.copy()
        return view

    def _stacked(self, t: Any, x: Tensor, u: Tensor | None) -> Tensor:
        slopes = self.rhs(self._time(t, x), self.named_states(x), self.named_inputs(x, u))
        if not isinstance(slopes, dict):
            raise CandidateError(f"rhs must return a dict from state to derivative, found {type(slopes).__name__}.")
        missing = [name for name in self.states if name not in slopes]
        if missing:
            raise CandidateError(f"rhs returned no derivative for {', '.join(missing)}.", "Return one for every state.")
        if len(slopes) != len(self.states):
            self._refuse_names("rhs", [name for name in slopes if name not in self.states])
        return torch.stack([self._column(name, slopes[name], x) for name in self.states], -1)

    def _column(self, name: str, value: Any, x: Tensor) -> Tensor:
        batch = x.shape[:-1]
        column: Tensor = value if isinstance(value, Tensor) else x.new_tensor(value)
        if column.shape == batch:
            return column
        if column.dim() > 0:
            raise CandidateError(f"{name!r} has shape {tuple(column.shape)}, expected {tuple(batch)} like the states.")
        return column.expand(batch)

    def _time(self, t: Any, x: Tensor) -> Tensor:
        return t if isinstance(t, Tensor) else x.new_tensor(t)

    def _refuse_names(self, where: str, unknown: list[str]) -> None:
        if unknown:
            raise CandidateError(
                f"Unknown name {unknown[0]!r} in {where}.",
                f"States are {', '.join(self.states)}; inputs are {', '.join(self.inputs) or 'none'}.",
            )

    def _array(self, arrays: Mapping[str, Tensor], key: str, shape: torch.Size) -> Tensor:
        if key not in arrays:
            raise CandidateError(f"The weights lack {key!r}.", "Load weights that were saved from the same candidate.")
        array = arrays[key]
        if array.shape != shape or not bool(torch.isfinite(array).all()):
            raise CandidateError(
                f"The weights hold {key!r} with shape {tuple(array.shape)}, expected {tuple(shape)}, all finite.",
                "Load weights that were saved from the same candidate.",
            )
        return array

    def _restore_raw(self, index: int, value: float, raw: Tensor | None) -> None:
        """Take the raw coordinate if it means the same natural value, else keep the one computed from the value."""
        if raw is None or raw.shape != torch.Size() or not bool(torch.isfinite(raw)):
            return
        computed = self.raw[index].clone()
        self.raw[index] = raw
        natural = self._transform()(self.raw)[self._transform().order[index]].item()
        if abs(natural - value) > 1e-9 * max(abs(value), 1e-12):
            self.raw[index] = computed
