"""Other names for everything in a problem: what an LLM knows by heart of a famous system does not help it then."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from archsearch.candidate.finding import VIEWS
from archsearch.problem.space import SearchSpace
from archsearch.proposers.wording import renamed, signs_of, without

KINDS = (("states", "s"), ("inputs", "u"), ("parameters", "p"), ("terms", "q"), ("library", "l"), ("slots", "n"))
WORD = re.compile(r"[A-Za-z_]\w*")
KEPT = frozenset(["trust", "roles", "scale", "initial", "title"])
"""Fields of a space whose texts are words of the space file, not names."""
TITLE, DESCRIPTION = "A process", "What it is, and what its variables are called, is withheld."
EXPLAINED = "Names are replaced by a letter and a number, other words that say what this is about by w and a number:"


@dataclass(frozen=True)
class Aliases:
    """Names and what they are called instead; or the way back.

    Attributes:
        names: of states, inputs, parameters, terms, slots and constraints.
        units: of things that are counted; they stand in units, with prefixes.
        signs: of the words of descriptions that say what the problem is about, in lower case.
    """

    names: Mapping[str, str]
    units: Mapping[str, str]
    signs: Mapping[str, str]

    @staticmethod
    def of(space: SearchSpace) -> Aliases:
        """Aliases for a space: a letter for the kind and a number, which no name of the space is."""
        taken = {item.name for kind, _ in KINDS for item in getattr(space, kind)}
        names: dict[str, str] = {}
        for kind, letter in (*KINDS, ("constraints", "c")):
            fresh = (f"{letter}{number}" for number in range(1, 10_000) if f"{letter}{number}" not in taken)
            names |= {item.name: next(fresh) for item in getattr(space, kind) if item.name not in names}
        units = {unit: f"thing{number}" for number, unit in enumerate(space.problem.counting_units, 1)}
        return Aliases(names, units, signs_of(space, names))

    def back(self) -> Aliases:
        """The way back."""
        words = {sign: word for word, sign in self.signs.items() if sign not in self.names.values()}
        return Aliases(_turned(self.names), _turned(self.units), words)

    def text(self, text: str) -> str:
        """A text in which names and words of the description are replaced; names may have spaces for underscores."""
        return without(self._names_in(text), self.signs)

    def described(self, text: str) -> str:
        """A description in which all is replaced that is not known to be plain."""
        return renamed(self._names_in(text), self.signs, self.names.values())

    def _names_in(self, text: str) -> str:
        """A text in which every name is replaced."""
        spoken = {name.replace("_", " "): alias for name, alias in self.names.items()} | dict(self.names)
        spoken |= {word: sign for word, sign in self.signs.items() if word in spoken}  # a state before a constraint
        spoken = {name[0].upper() + name[1:]: alias for name, alias in spoken.items()} | spoken  # as sentences begin
        pattern = "|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in sorted(spoken, key=len, reverse=True))
        return re.sub(pattern, lambda found: spoken[found[0]], text) if pattern else text

    def words(self, text: str) -> str:
        """A text of identifiers, such as an expression, with each name replaced."""
        return WORD.sub(lambda found: self.names.get(found[0], found[0]), text)

    def unit(self, text: str) -> str:
        """A unit."""
        for name, alias in self.units.items():
            text = text.replace(name, alias)
        return text

    def space(self, space: SearchSpace) -> SearchSpace:
        """The space under other names, its descriptions without the words that say what it is."""
        content = space.model_dump()
        for kind in (*(kind for kind, _ in KINDS), "constraints", "objective"):
            content[kind] = self._walked(content[kind], kind)
        told = self.described(space.problem.description)
        content["problem"] |= {"title": TITLE, "description": f"{EXPLAINED}\n{told}" if told else DESCRIPTION}
        content["problem"]["counting_units"] = tuple(self.units.values())
        return SearchSpace.model_validate(content)

    def source(self, source: str, own: Callable[[str], str] = lambda name: name) -> str:
        """A source under other names, without its comments and docstring; itself if it is not Python.

        Args:
            source: of a candidate.
            own: what a name becomes that the source itself has brought up.
        """
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return self.words(source)
        if tree.body and isinstance(tree.body[0], ast.Expr) and isinstance(tree.body[0].value, ast.Constant):
            tree.body = tree.body[1:]
        return ast.unparse(ast.fix_missing_locations(_Renaming(self, own).visit(tree))) + "\n"

    def _walked(self, value: Any, key: str = "") -> Any:
        """A part of a space; words of the space file are kept."""
        if key == "description":
            return self.described(value)
        if key == "column" or key in KEPT:
            return None if key == "column" else value
        if isinstance(value, str):
            return self.unit(value) if key == "unit" else self.words(value)
        if isinstance(value, Mapping):
            return {
                self.names.get(name, name) if key in ("equations", "monotone", "zero_at") else name: self._walked(
                    item, name if key not in ("equations", "monotone", "zero_at") else ""
                )
                for name, item in value.items()
            }
        return [self._walked(item, key) for item in value] if isinstance(value, list | tuple) else value


class _Renaming(ast.NodeTransformer):
    """Renames what a source takes from its space, and what it brings up itself."""

    def __init__(self, aliases: Aliases, own: Callable[[str], str]) -> None:
        self.aliases = aliases
        self.own = own
        self.brought_up: set[str] = set()

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:  # the name that ast looks for
        self.brought_up = set(_names_of(node)) - self.aliases.names.keys()
        self.generic_visit(node)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:  # the name that ast looks for
        if isinstance(node.value, ast.Name) and node.value.id in (*VIEWS, "self"):
            return ast.Attribute(node.value, self._called(node.attr), node.ctx)
        self.generic_visit(node)
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:  # the name that ast looks for
        return ast.Name(self._called(node.id), node.ctx) if node.id not in (*VIEWS, "self", "t") else node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:  # the name that ast looks for
        node.name = self._called(node.name)
        self.generic_visit(node)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:  # the name that ast looks for
        node.arg = self._called(node.arg) if node.arg not in (*VIEWS, "self", "t") else node.arg
        return node

    def visit_keyword(self, node: ast.keyword) -> ast.keyword:  # the name that ast looks for
        if node.arg == "unit" and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            node.value = ast.Constant(self.aliases.unit(node.value.value))
            return node
        self.generic_visit(node)
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.expr:  # the name that ast looks for
        known = isinstance(node.value, str) and node.value in self.aliases.names
        return ast.Constant(self.aliases.names[str(node.value)]) if known else node

    def _called(self, name: str) -> str:
        known = self.aliases.names.get(name)
        return known or (self.own(name) if name in self.brought_up else name)


def _names_of(node: ast.ClassDef) -> Iterable[str]:
    """What a class brings up: declarations, private methods, local variables."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            yield part.id
        elif isinstance(part, ast.FunctionDef) and part.name.startswith("_"):
            yield part.name


def _turned(names: Mapping[str, str]) -> dict[str, str]:
    return {alias: name for name, alias in names.items()}
