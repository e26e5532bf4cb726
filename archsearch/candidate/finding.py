"""What the static check found in a source, and the names that the model language allows."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field

from archsearch.errors import did_you_mean
from archsearch.plain_text import one_line

LONGEST = 1000
"""Letters of a sentence in a finding, which may quote the source."""
MOST_FINDINGS = 100


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that is wrong with a source.

    Attributes:
        line: where, counted from 1.
        message: what was expected and what was found.
        remedy: what to write instead.
    """

    line: int
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message} {self.remedy}"


@dataclass
class Findings:
    """Collects findings while a source is walked; each is kept once."""

    found: set[Finding] = field(default_factory=set)

    def add(self, node: ast.AST | int, message: str, remedy: str) -> None:
        """Note what is wrong at a node or a line."""
        line = node if isinstance(node, int) else getattr(node, "lineno", 1)
        self.found.add(Finding(line, _sentence(message), _sentence(remedy)))

    def unknown(self, node: ast.AST, what: str, name: str, choices: Iterable[str]) -> None:
        """Note a name that does not exist, with the names that do."""
        known = list(dict.fromkeys(choices))
        listed = f"Choose one of: {', '.join(known)}" if known else "There are none here: leave it out"
        self.add(node, f"There is no {what} '{name}'{did_you_mean(name, known)}", listed)

    def in_order(self) -> list[Finding]:
        """The findings, top to bottom; of very many the first, and how many more there are."""
        found = sorted(self.found)
        if len(found) > MOST_FINDINGS:
            more = Finding(
                found[MOST_FINDINGS].line, f"There are {len(found) - MOST_FINDINGS} more.", "Mend these first."
            )
            return [*found[:MOST_FINDINGS], more]
        return found


def _sentence(text: str) -> str:
    text = one_line(f"{text[0].upper()}{text[1:]}", LONGEST)
    return text if text.endswith((".", "?", "!")) else f"{text}."


VOCABULARY = ("HybridModel", "Net", "Param", "laplacian", "gradient", "divergence", "advection")
DIFFERENCES = {"laplacian": 1, "gradient": 1, "divergence": 1, "advection": 2}
"""The operators of a grid, with the place of the spacing among their arguments."""
MODULES = ("torch", "math", "archsearch.hybrid", "__future__")
SIGNATURES = {
    "rhs": ("self", "t", "x", "u"),
    "output": ("self", "x", "u"),
    "observe": ("self", "t", "x", "u"),
    "initial": ("self", "c"),
    "coefficients": ("self", "c"),
    "algebraic": ("self", "t", "x", "z", "u"),
    "limits": ("self", "t", "x", "u"),
}
"""The methods of the model language, besides private helpers."""
STATIC = ("output", "coefficients")
"""Those that a static model may have."""
NOT_ON_A_GRID = ("observe", "initial", "algebraic", "limits")
"""Those that a model of fields cannot have."""
_MEMBERS = "algebraic_variables is_static outputs residuals margins limit_names initial_states"
MEMBERS = frozenset(_MEMBERS.split())
"""What else a model has: no name for a parameter or a net."""
VIEWS = ("x", "u", "z", "c")
"""Arguments that hold variables by name."""

_BUILTINS = "abs all any dict enumerate float int len list max min pow range reversed round set sum tuple zip"
BUILTINS = frozenset(_BUILTINS.split())
"""The functions of Python that a candidate may use by their bare names."""

ROLES = ("add", "scale", "replace", "map")
ACTIVATIONS = ("tanh", "softplus")
REGULARIZERS = ("norm", "correlation", "physics_alone")
TERM = "term"

_OF_TENSORS = "item numpy tolist backward data grad cpu cuda save register_hook"
OF_TENSORS = frozenset(_OF_TENSORS.split())
"""Attributes of tensors that leave the graph of gradients or the batch."""

_OF_TORCH = """
autograd bernoulli cuda compile classes distributed dropout enable_grad fx hub inference_mode jit library load
manual_seed multinomial multiprocessing no_grad normal ops os package poisson profiler rand rand_like randint
randint_like randn randn_like randperm save seed serialization sys utils version
"""
OF_TORCH = frozenset(_OF_TORCH.split())
"""Attributes of torch that read or write files, run code, draw at random or change how torch works."""
