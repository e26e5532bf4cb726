"""What a candidate declares: parameters with bounds, nets with weights, and the views and arrays of both."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Self, final

import torch
from torch import Tensor

from archsearch.hybrid.candidate_error import CandidateError
from archsearch.hybrid.columns import Seen
from archsearch.hybrid.families import refuse_unknown
from archsearch.hybrid.net import Net
from archsearch.hybrid.nets import NetModule
from archsearch.hybrid.params import Param, Transform
from archsearch.hybrid.views import Prepared, arrays_of


class DeclaredModel(torch.nn.Module, abc.ABC):
    """The declarations of a candidate as a module, without its equations.

    Views (`nulled`, `with_gates`) share parameters, weights and buffers with the model that they were made from.

    Args:
        states: the names of the differential states.
        inputs: the names of the inputs.
        generator: where the start weights of the nets are drawn from (default: a generator seeded with 0).
    """

    dropped: ClassVar[tuple[str, ...]] = ()
    """Terms of the space that this candidate leaves out on purpose."""
    replaced: ClassVar[Mapping[str, str]] = {}
    """Terms of the space in whose place a library term stands, by name."""
    regularizers: ClassVar[Mapping[str, float]] = {}
    """Weights of the regularizers that the loss has, by name."""
    algebraic_variables: ClassVar[Mapping[str, float]] = {}
    """Variables that an equation fixes, not a derivative: name and start guess of the solver, in natural units."""
    raw: torch.nn.Parameter
    """(P,): the fitted coordinates of the physical parameters."""
    _params: ClassVar[dict[str, Param]] = {}
    _nets: ClassVar[dict[str, Net]] = {}

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        own = vars(cls)
        cls._params = cls._params | {name: value for name, value in own.items() if isinstance(value, Param)}
        cls._nets = cls._nets | {name: value for name, value in own.items() if isinstance(value, Net)}

    def __init__(
        self, states: Sequence[str], inputs: Sequence[str] = (), generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.states = tuple(states)
        self.inputs = tuple(inputs)
        self._complete = (*self.states, *self.algebraic_variables)
        self._cache = Prepared()
        self._seen = Seen()
        self._gates: dict[str, Any] = {}
        self._add_parameters()
        self._add_nets(generator or torch.Generator().manual_seed(0))

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
            cache.raw, cache.values = raw, self._natural_values(raw)
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

    # ---- inside ------------------------------------------------------------------------------------------------

    def _add_parameters(self) -> None:
        fitted = self.parameters_declared()
        transform = Transform(list(fitted.values()))
        raw = [fitted[name].to_raw(fitted[name].value) for name in transform.order]
        self.register_module("_natural", transform)
        self.register_parameter("raw", torch.nn.Parameter(torch.tensor(raw, dtype=torch.float64)))
        fixed = [param.value for param in self.constants_declared().values()]
        # one vector, not a buffer per name: a buffer's name could be that of a parameter
        self.register_buffer("_constants", torch.tensor(fixed, dtype=torch.float64), persistent=False)

    def _add_nets(self, generator: torch.Generator) -> None:
        self._calls: dict[str, Callable[..., Any]] = {}
        for name, net in self._nets.items():
            refuse_unknown(f"the inputs of net {name!r}", net.inputs, states=self._complete, inputs=self.inputs)
            refuse_unknown(f"the outputs of net {name!r}", net.outputs, states=self.states)
            module = NetModule(net, generator)
            self._modules[name] = module  # not add_module: the class attribute of that name is the declaration
            module.sees(self._seen, self._complete)
            self._calls[name] = module

    def _transform(self) -> Transform:
        transform: Any = self._modules["_natural"]
        return transform  # type: ignore[no-any-return]  # torch types _modules as optional modules

    def _natural_values(self, raw: Tensor) -> dict[str, Tensor]:
        """Every declared parameter, fitted or fixed, in natural units."""
        values = self._transform()(raw)
        names = self.constants_declared()
        if names:
            values.update(zip(names, self.get_buffer("_constants").unbind(), strict=True))
        return values  # type: ignore[no-any-return]  # torch leaves the result of a call untyped

    def _parameter(self, param: Param) -> Tensor:
        """The natural value of a parameter, from the cache where it holds for the current raw vector."""
        cache = self._cache
        if cache.raw is self._parameters["raw"]:
            return cache.values[param.name]
        with self.prepared():
            return cache.values[param.name]

    def _copy(self) -> Self:
        view = object.__new__(type(self))
        view.__dict__ = self.__dict__.copy()
        return view

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
