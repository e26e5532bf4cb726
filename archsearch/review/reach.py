"""What nets can imitate: terms and parameters that no data can tell apart from them.

A net is a free function of what it sees. A change of a parameter that a change of the nets makes good, in every
equation and at every state, leaves no trace in the data: the efficient information about that parameter is zero. This
is worked out at a few made-up states: the sensitivities to parameters are projected off those to the nets, whose
values are free for each combination of what they see, and what is left has a null space or not.

Reference:
    Robinson (1988), Root-N-consistent semiparametric regression, Econometrica 56: of theta * f(x) + g(w) the data
    determine theta through f - E[f | w] alone. Here for any way of joining, to first order, with all states measured.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
import numpy.typing as npt

from archsearch.candidate.equations import expression_text
from archsearch.candidate.unfold import TERM, Unfolded, unfold
from archsearch.problem.expressions import Expression, ExpressionError, parse
from archsearch.problem.syntax import ON_A_GRID
from archsearch.problem.trajectories import Floats
from archsearch.review.reading import constants_of, is_plain, main_method, parameters_of

GATE, OPERATED = "gate__", "grid__"
TOGETHER = ""
"""Stands for all nets of a source at once."""
MOST_VARIABLES = 7
"""That are varied; more stand still, so that no more than 128 states are looked at."""
THREE_LEVELS_UP_TO = 4
CONSTANT = {"torch.zeros_like": 0.0, "torch.ones_like": 1.0}
Integers = npt.NDArray[np.intp]
STEP = 1e-5
NOTHING = 1e-6
"""What is left of a sensitivity of size 1 if the nets can imitate it."""


@dataclass(frozen=True)
class Reach:
    """What a net can imitate if all other nets are known, or what all of them can together.

    Attributes:
        terms: those of which it can make up any share.
        parameters: those that are not determined beside it.
    """

    terms: tuple[str, ...]
    parameters: tuple[str, ...]


@lru_cache(maxsize=256)
def reach_of(source: str) -> Mapping[str, Reach] | None:
    """What each net of a source, and all `TOGETHER`, can imitate; None if its equations are not plain arithmetic."""
    method = main_method(source)
    if not is_plain(source, method):
        return None
    unfolded = unfold(source, method)
    if not unfolded.nets:
        return {TOGETHER: Reach((), ())}
    try:
        return _Sensitivities(source, unfolded).reaches()
    except (ExpressionError, ArithmeticError, KeyError, ValueError, RecursionError, np.linalg.LinAlgError):
        return None


class _Sensitivities:
    """The derivatives of all equations by parameters, gates of terms and nets, at made-up states."""

    def __init__(self, source: str, unfolded: Unfolded) -> None:
        self.nets = unfolded.nets
        self.equations = [_expression(node) for node in unfolded.equations.values()]
        self.arguments = {key: [_expression(item) for item in call.arguments] for key, call in unfolded.nets.items()}
        names = frozenset[str]().union(*(item.names for item in self.equations))
        seen = frozenset[str]().union(*(item.names for given in self.arguments.values() for item in given))
        declared = parameters_of(source)
        self.parameters = [name for name, item in declared.items() if not item.fixed and name in names | seen]
        self.gates = sorted(name for name in names if name.startswith(GATE))
        self.constants = sorted({*declared, *constants_of(source)} - set(self.parameters))
        self.variables = sorted((names | seen) - {*self.gates, *self.nets, *self.parameters, *self.constants})
        self.generator = np.random.default_rng(0)
        self.values, self.groups = self._states()

    def reaches(self) -> dict[str, Reach]:
        """What each net can imitate by itself."""
        own = {name: self._column(name) for name in (*self.parameters, *self.gates)}
        directions = {key: self._directions(key) for key in self.nets}
        found = {}
        for net in (TOGETHER, *(call.name for call in self.nets.values())):
            free = [directions[key] for key, call in self.nets.items() if net in (TOGETHER, call.name)]
            found[net] = self._reach(free, own) if free else Reach((), ())
        return found

    def _reach(self, directions: Sequence[Floats], own: Mapping[str, Floats]) -> Reach:
        basis = _basis(np.concatenate(directions, axis=1))
        left = {name: column - basis @ (basis.T @ column) for name, column in own.items()}
        terms = [name for name in self.gates if np.linalg.norm(left[name]) < NOTHING < np.linalg.norm(own[name])]
        before = _undetermined([own[name] for name in self.parameters])
        after = _undetermined([left[name] for name in self.parameters])
        lost = [name for name, was, now in zip(self.parameters, before, after, strict=True) if now and not was]
        return Reach(tuple(name.removeprefix(GATE) for name in terms), tuple(lost))

    def _states(self) -> tuple[dict[str, Floats], dict[str, Integers]]:
        """Values (K,) of all names, and for each net (K,) which combination of what it sees each state has."""
        levels = 3 if len(self.variables) <= THREE_LEVELS_UP_TO else 2
        varied = self.variables[:MOST_VARIABLES]
        choices = [self.generator.uniform(0.5, 2.0, levels) for _ in varied]
        states = np.array(list(product(*choices)), dtype=np.float64).reshape(levels ** len(varied), len(varied))
        values = {name: states[:, place] for place, name in enumerate(varied)}
        still = [*self.variables[MOST_VARIABLES:], *self.parameters, *self.constants]
        values |= {name: np.full(len(states), self.generator.uniform(0.5, 2.0)) for name in still}
        values |= {name: np.ones(len(states)) for name in self.gates}
        groups: dict[str, Integers] = {}
        for key, given in self.arguments.items():
            seen = np.stack([np.broadcast_to(item.evaluate(values), len(states)) for item in given], axis=1)
            _, groups[key] = np.unique(seen.round(12), axis=0, return_inverse=True)
            values[key] = self.generator.uniform(0.5, 2.0, groups[key].max() + 1)[groups[key]]
        return values, groups

    def _column(self, name: str) -> Floats:
        """(E * K,): the derivative of all equations at all states, of length 1 unless it is zero."""
        up, down = (
            np.concatenate([np.broadcast_to(item.evaluate(moved), len(moved[name])) for item in self.equations])
            for moved in (self.values | {name: self.values[name] + step} for step in (STEP, -STEP))
        )
        column: Floats = (up - down) / (2 * STEP)
        size = np.linalg.norm(column)
        if not np.isfinite(size):
            raise FloatingPointError
        return column / size if size > NOTHING else np.zeros_like(column)

    def _directions(self, key: str) -> Floats:
        """(E * K, G): one free value for each combination of what a net sees."""
        column, group = self._column(key), np.tile(self.groups[key], len(self.equations))
        return np.where(group[:, None] == np.arange(group.max() + 1), column[:, None], 0.0)


def _basis(columns: Floats) -> Floats:
    """An orthonormal basis of what columns span; those of one net in one place are orthogonal as they are."""
    sizes = np.linalg.norm(columns, axis=0)
    found: Floats = columns[:, sizes > NOTHING] / sizes[sizes > NOTHING]
    if np.allclose(found.T @ found, np.eye(found.shape[1]), atol=1e-12):
        return found
    left, sizes, _ = np.linalg.svd(found, full_matrices=False)
    return left[:, sizes > 1e-9]


def _undetermined(columns: Sequence[Floats]) -> list[bool]:
    """Which columns are zero, or a combination of others."""
    if not columns:
        return []
    _, sizes, right = np.linalg.svd(np.stack(columns, axis=1), full_matrices=True)
    padded = np.append(sizes, np.zeros(len(right) - len(sizes)))
    null = right[padded < NOTHING]
    return [bool(weight > 1e-4) for weight in np.abs(null).max(axis=0, initial=0.0)]


def _expression(node: ast.expr) -> Expression:
    own = ast.parse(ast.unparse(node), mode="eval").body
    return parse(expression_text(_Gated().visit(own)))


class _Gated(ast.NodeTransformer):
    """Terms become products with their gates; what depends on neighbours on a grid, a variable of its own."""

    def visit_Call(self, node: ast.Call) -> ast.expr:  # the name that ast looks for
        name = ast.unparse(node.func)
        if name.startswith(TERM):
            gate = ast.Name(GATE + name.removeprefix(TERM), ast.Load())
            return ast.BinOp(gate, ast.Mult(), self.visit(node.args[0]))
        if name in CONSTANT:
            return ast.Constant(CONSTANT[name])
        if name in ON_A_GRID:
            return ast.Name(OPERATED + "_".join([name, *_words(node.args[0])]), ast.Load())
        node.args = [self.visit(item) for item in node.args]
        return node


def _words(node: ast.expr) -> list[str]:
    return [part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)]
