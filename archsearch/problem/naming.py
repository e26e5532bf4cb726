"""The names of a space file: what they mean, and which ones it may not use, since the model language needs them."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from dataclasses import dataclass

from archsearch.errors import did_you_mean
from archsearch.problem.space import SearchSpace
from archsearch.problem.syntax import CONSTANTS, FUNCTIONS

TIME = "t"
"""The time, as expressions call it."""

LANGUAGE = """
HybridModel Net Param Candidate torch math self x u term rhs derivative observe initial coefficients algebraic
limits output dropped replaced regularizers states inputs generator nulled with_gates prepared parameters_declared
parameter_values set_parameter nets calibrate state_arrays load_arrays gates arrays weights raw
named_states named_inputs measured constants_declared term_values
algebraic_variables is_static outputs residuals margins limit_names initial_states
"""
"""What the model language calls its own things."""

MODULE = """
T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda double dump_patches eval
extra_repr float forward get_buffer get_extra_state get_parameter get_submodule half ipu load_state_dict modules
mtia named_buffers named_children named_modules named_parameters parameters register_backward_hook register_buffer
register_forward_hook register_forward_pre_hook register_full_backward_hook register_full_backward_pre_hook
register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module register_parameter
register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule
share_memory state_dict to to_empty train training type xpu zero_grad
"""
"""What `torch.nn.Module` calls its own things; a test compares this list with torch's."""

EXPRESSIONS = frozenset(FUNCTIONS) | frozenset(CONSTANTS) | {TIME}
VALUES = EXPRESSIONS | frozenset(keyword.kwlist)
"""Taken for whatever is only ever read as `x.name` or `u.name`: states and inputs."""

ATTRIBUTES = VALUES | frozenset(LANGUAGE.split()) | frozenset(MODULE.split())
"""Taken for whatever becomes a variable or an attribute of the model: parameters, terms, slots."""


@dataclass(frozen=True)
class Known:
    """What the names of a space file mean.

    Attributes:
        kinds: every name with what it is: `state`, `input`, `parameter`, `term`, `quantity`, ...
        unread: names of tables that could not be read, so that their use is not called wrong as well.
    """

    kinds: Mapping[str, str]
    unread: frozenset[str] = frozenset()

    def unfit(self, name: str, *kinds: str) -> str | None:
        """What is wrong with a name that should be one of these kinds: `expected ..., found ...`; None if nothing."""
        if name in self.unread or self.kinds.get(name) in kinds:
            return None
        choices = [choice for choice, kind in self.kinds.items() if kind in kinds]
        found = f"the {self.kinds[name]} '{name}'" if name in self.kinds else f"'{name}'"
        listed = f"one of {', '.join(choices)}" if choices else "the name of something declared"
        return f"expected {listed} ({' or '.join(kinds)}), found {found}{did_you_mean(name, choices)}"


def all_names(space: SearchSpace) -> list[tuple[str, str, str]]:
    """Every name of a space: the list that it stands in, the name, and what it is."""
    found = [("states", state.name, "state") for state in space.states]
    found += [("inputs", item.name, "input") for item in space.inputs]
    found += [("axes", axis.name, "axis of the grid") for axis in space.axes]
    found += [("parameters", parameter.name, "parameter") for parameter in space.parameters]
    found += [("terms", term.name, "term" if term.equations else "quantity") for term in space.terms]
    found += [("library", term.name, "library term") for term in space.library]
    found += [("slots", slot.name, "slot") for slot in space.slots]
    return found + [("constraints", constraint.name, "constraint") for constraint in space.constraints]
