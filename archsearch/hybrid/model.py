"""The language that candidates are written in: a hybrid model states its equations once, with names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from archsearch.hybrid.calibration import calibrate
from archsearch.hybrid.candidate_error import CandidateError
from archsearch.hybrid.columns import aligned, stacked
from archsearch.hybrid.declared import DeclaredModel
from archsearch.hybrid.families import refuse_incomplete, refuse_missing, refuse_unknown, written_in
from archsearch.hybrid.net import Net
from archsearch.hybrid.params import Param
from archsearch.hybrid.views import Recorder, named_view

OWN = frozenset({"raw", "states", "inputs", "training"})
"""Attributes of a model that its class does not have."""
PARTS = frozenset({"derivative", "residuals", "margins", "measured", "initial_states", "outputs"})
"""What `forward` can compute."""
READY = nullcontext()
"""For when the parameter values are there already."""


class HybridModel(DeclaredModel):
    """A hybrid of physics and nets, written once and usable whole, without its nets, or term by term.

    A candidate writes `rhs` (a process in time) or `output` (a static model), and whichever of the optional methods
    it needs. Free of state and side effects, of any leading batch shape, and fit for `torch.func`.

    Everywhere below `w` is the complete state (..., n + q): n differential states, then q algebraic variables, which
    most models have none of. The states of a field have their grid axes before the last: (..., H, W, n).

    Args:
        states: the names of the differential states, or of the outputs if it is static, in the order of the last axis.
        inputs: the names of the inputs, in the order of the last axis of `u`.
        generator: where the start weights of the nets are drawn from (default: a generator seeded with 0).
    """

    _written: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        for name, value in vars(cls).items():
            taken = name.startswith("_") or name in OWN or hasattr(HybridModel, name)
            if isinstance(value, Param | Net) and taken:
                raise CandidateError(f"The name {name!r} belongs to the model language.", "Choose another name.")
        cls._written = written_in(cls, HybridModel)

    def __init__(
        self, states: Sequence[str], inputs: Sequence[str] = (), generator: torch.Generator | None = None
    ) -> None:
        refuse_incomplete(type(self).__name__, self._written, tuple(self.algebraic_variables))
        super().__init__(states, inputs, generator)
        taken = [name for name in self.algebraic_variables if name in (*self.states, *self.inputs)]
        if taken:
            raise CandidateError(f"The algebraic variable {taken[0]!r} is also a state or an input.", "Rename it.")
        self._state_view = named_view("states", self._complete)
        self._algebraic_view = named_view("algebraic variables", tuple(self.algebraic_variables))
        self._input_view = named_view("inputs", self.inputs)
        self._no_inputs = self._input_view() if not self.inputs else None
        self._expected = frozenset(self.states)
        self._constant = "coefficients" not in self._written

    # ---- what a candidate writes -------------------------------------------------------------------------------

    def rhs(self, t: Any, x: Any, u: Any) -> dict[str, Any]:
        """The derivative of every state by name; `x.hare` and `u.feed` are tensors (...), `t` broadcasts to them."""
        raise CandidateError(f"{type(self).__name__} is static: it has no derivative.", "Ask for its outputs.")

    def output(self, x: Any, u: Any) -> dict[str, Any]:
        """Of a static model: every output by name; x and u both hold the inputs, so write what reads better."""
        raise CandidateError(f"{type(self).__name__} is not static: it has no outputs.", "Ask for its derivative.")

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
        """What must be zero, by name, one for each algebraic variable; `z` holds these, `x` the states and these."""
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

    @property
    @final
    def is_static(self) -> bool:
        """Whether it maps inputs to outputs, without time."""
        return "output" in self._written

    def forward(self, *args: Any, part: str = "derivative") -> Tensor:
        """The method named `part` with these arguments, so that `torch.func.functional_call` reaches all of them."""
        if part == "derivative":
            return self.derivative(*args)
        if part not in PARTS:
            raise CandidateError(f"There is no part {part!r} of a model.", f"The parts are {', '.join(sorted(PARTS))}.")
        computed: Tensor = getattr(self, part)(*args)
        return computed

    @final
    def derivative(self, t: Any, x: Tensor, u: Tensor | None = None) -> Tensor:
        """The right-hand side as one tensor.

        Args:
            t: (...) or broadcastable to it, or its first axes, in the time unit.
            x: (..., n + q), the complete state, in the units of its variables.
            u: (..., m), or its first axes and m, in the units of the inputs; may be left out if there are none.

        Returns:
            (..., n), in state units per time unit.
        """
        if self._constant and self._cache.raw is self._parameters["raw"]:
            return self._slopes(t, x, u)
        with self._values_at(x, u):
            return self._slopes(t, x, u)

    @final
    def residuals(self, t: Any, w: Tensor, u: Tensor | None = None) -> Tensor:
        """(..., q): what the algebraic equations leave over, 0 where they hold."""
        if not self.algebraic_variables:
            return w[..., :0]
        with self._values_at(w, u):
            x = self.named_states(w)
            found = self.algebraic(
                aligned(t, w), x, self._algebraic_view._make(x[len(self.states) :]), self.named_inputs(w, u)
            )
        if not isinstance(found, dict) or len(found) != len(self.algebraic_variables):
            given = f"{len(found)} residuals" if isinstance(found, dict) else type(found).__name__
            raise CandidateError(
                f"algebraic returned {given}, expected a dict of {len(self.algebraic_variables)}.",
                f"Return one residual for each of {', '.join(self.algebraic_variables)}.",
            )
        return stacked(found, tuple(found), w)

    @final
    def margins(self, t: Any, w: Tensor, u: Tensor | None = None) -> Tensor:
        """(..., l): how far each limit is from being broken, negative where it is; l = 0 without limits."""
        found = self._limits(t, w, u)
        return stacked(found, tuple(found), w) if found else w[..., :0]

    @final
    def limit_names(self, t: Any, w: Tensor, u: Tensor | None = None) -> tuple[str, ...]:
        """The names of the limits, in the order of `margins`; read off one evaluation."""
        return tuple(self._limits(t, w, u))

    @final
    def measured(self, t: Any, x: Tensor, u: Tensor | None = None) -> Tensor:
        """(..., n): what is measured, `observe` where the candidate has it and the states elsewhere."""
        states = x if len(self._complete) == len(self.states) else x[..., : len(self.states)]
        if "observe" not in self._written:
            return states
        with self._values_at(x, u):
            found = self.observe(aligned(t, x), self.named_states(x), self.named_inputs(x, u))
        if found is None:
            return states
        refuse_unknown("observe", found, states=self.states)
        return stacked(dict(zip(self.states, states.unbind(-1), strict=True)) | found, self.states, x)

    @final
    def initial_states(self, u: Tensor | None = None) -> Tensor:
        """(..., n): initial states from the context u (..., m), natural units, NaN where the candidate says nothing."""
        context = self.raw.new_zeros(0) if u is None else u
        unknown = dict.fromkeys(self.states, torch.nan)
        if "initial" not in self._written:
            return stacked(unknown, self.states, context)
        with self._values_at(context, u):
            found = self.initial(self.named_inputs(context, u)) or {}
        refuse_unknown("initial", found, states=self.states)
        return stacked(unknown | found, self.states, context)

    @final
    def outputs(self, u: Tensor) -> Tensor:
        """(..., n): the outputs of a static model for inputs u (..., m)."""
        with self._values_at(u, u):
            named = self.named_inputs(u, u)
            found = self.output(named, named)
        if not isinstance(found, dict) or found.keys() != self._expected:
            refuse_missing("output", "output", found, self.states)
        return stacked(found, self.states, u)

    @final
    def term_values(self, t: Any, x: Tensor, u: Tensor | None = None) -> dict[str, Tensor]:
        """The value of every term that the equations name, (...) each; x (..., n + q) is not read if it is static."""
        recorder = Recorder(self._gates)
        view = self._copy()
        view._gates = recorder
        if u is not None and self.is_static:
            view.outputs(u)
        else:
            for part in (view.derivative, view.residuals, view.margins, view.measured):
                part(t, x, u)
        return recorder.seen

    @final
    def calibrate(self, t: Any, x: Tensor, u: Tensor | None, derivatives: Tensor) -> None:
        """Set the scales of every net from where the data lie; the same arguments give the same scales.

        Args:
            t: (B,), times.
            x: (B, n) or (B, n + q), states as measured or smoothed, NaN where unknown; not read if it is static.
            u: (B, m), inputs.
            derivatives: (n,), standard deviation of the derivative of each state, NaN where unknown; of the output
                itself if it is static.
        """
        calibrate(self, t, x, u, derivatives)

    @final
    def named_states(self, x: Tensor) -> Any:
        """The states and algebraic variables of a tensor (..., n + q) by name."""
        if x.shape[-1] != len(self._complete):
            raise CandidateError(
                f"Expected a last axis of {len(self._complete)} states ({', '.join(self._complete)}), "
                f"found {x.shape[-1]}."
            )
        return self._state_view._make(x.unbind(-1))

    @final
    def named_inputs(self, x: Tensor, u: Tensor | None) -> Any:
        """The inputs of a tensor (..., m) by name, in line with the states (..., n + q); none if there are none."""
        if not self.inputs:
            return self._no_inputs
        if u is None or u.shape[-1] != len(self.inputs):
            found = "none" if u is None else str(u.shape[-1])
            raise CandidateError(
                f"Expected a last axis of {len(self.inputs)} inputs ({', '.join(self.inputs)}), found {found}."
            )
        columns = u.unbind(-1)
        return self._input_view._make(columns if u.dim() >= x.dim() else [aligned(column, x) for column in columns])

    # ---- inside ------------------------------------------------------------------------------------------------

    def _slopes(self, t: Any, x: Tensor, u: Tensor | None) -> Tensor:
        named, seen = self.named_states(x), self._seen
        before = seen.x, seen.columns
        seen.x, seen.columns = x, named
        try:
            slopes = self.rhs(aligned(t, x), named, self.named_inputs(x, u))
        finally:
            seen.x, seen.columns = before
        if not isinstance(slopes, dict) or slopes.keys() != self._expected:
            refuse_missing("rhs", "derivative", slopes, self.states)
        return stacked(slopes, self.states, x)

    def _limits(self, t: Any, w: Tensor, u: Tensor | None) -> Mapping[str, Any]:
        if "limits" not in self._written:
            return {}
        with self._values_at(w, u):
            return self.limits(aligned(t, w), self.named_states(w), self.named_inputs(w, u)) or {}

    def _values_at(self, x: Tensor, u: Tensor | None) -> AbstractContextManager[Any]:
        """Parameter values for one evaluation: transformed, and as `coefficients` has them in this context."""
        if not self._constant:
            return self._in_context(x, u)
        return READY if self._cache.raw is self._parameters["raw"] else self.prepared()

    @contextmanager
    def _in_context(self, x: Tensor, u: Tensor | None) -> Iterator[None]:
        with self.prepared():
            cache = self._cache
            before = cache.values
            given = self.coefficients(self.named_inputs(x, u)) or {}
            refuse_unknown("coefficients", given, parameters=tuple(self._params))
            cache.values = before | given
            try:
                yield
            finally:
                cache.values = before
