"""From a genome to the source of a candidate, as a person would write it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING

from archsearch.bundled import compiled
from archsearch.candidate.describe import claim_of
from archsearch.candidate.genome import Genome, NetGene
from archsearch.candidate.plan import Placed, Plan, Quantity, plan
from archsearch.problem.space import Parameter, SearchSpace, Structure
from archsearch.problem.syntax import ON_A_GRID

if TYPE_CHECKING:
    import jinja2

WIDTH = 120
INDENT = 8
PREFIXES = {"replace": "learned", "scale": "scaled", "add": "corrected"}


def render(genome: Genome, space: SearchSpace, claim: str = "") -> str:
    """The source of a genome; the same arguments give the same text.

    Args:
        genome: the architecture.
        space: where it was chosen from.
        claim: the one line that stands on top (default: what `claim_of` says).
    """
    writer = _Writer(plan(genome, space), space, genome.norm_weight)
    body, entries = writer.body(), writer.entries()
    names = {"HybridModel", "Net" if writer.plan.has_net else "", "Param" if writer.plan.parameters else ""}
    text = "\n".join([*body, *entries])
    names |= {name for name in ON_A_GRID if f"{name}(" in text}
    return _template().render(
        claim=_docstring(claim or claim_of(genome, space)),
        uses_torch="torch." in text,
        vocabulary=", ".join(sorted(names - {""})),
        declarations=writer.declarations(),
        body=body,
        entries=entries,
    )


class _Writer:
    """Writes the parts of one source, keeping track of the local names."""

    def __init__(self, drawn: Plan, space: SearchSpace, norm_weight: float) -> None:
        self.plan = drawn
        self.space = space
        self.norm_weight = norm_weight
        self.taken = _names_of(space)
        self.everywhere = self._free("correction" if drawn.quantities else "dynamics")
        self.locals: dict[str, str] = {}
        self.sums = dict.fromkeys(space.state_names, "")
        self.rename = {name: f"x.{name}" for name in space.state_names}
        self.rename |= {name: f"u.{name}" for name in space.input_names}
        self.rename |= {parameter.name: f"self.{parameter.name}" for parameter in space.parameters}
        self.rename["laplacian"] = f"{_tuple(space.spacing)}, {_quoted(space.grid.boundary or 'periodic')}"

    def declarations(self) -> list[str]:
        """The lines of the class body above `rhs`."""
        lines = [line for parameter in self.plan.parameters for line in _param(parameter)]
        lines += [line for placed in self.plan.placed for line in self._net(placed)]
        if self.plan.everywhere is not None:
            lines += _declared(self.everywhere, self.plan.everywhere, self.space.state_names, Structure())
        if self.plan.dropped:
            lines += _wrapped(f"dropped = {_tuple(self.plan.dropped)}", 4)
        if self.plan.replaced:
            lines += _wrapped(f"replaced = {_dict(self.plan.replaced)}", 4)
        if self.norm_weight and self.plan.has_net:
            lines.append(f'regularizers = {{"norm": {self.norm_weight!r}}}')
        return lines

    def body(self) -> list[str]:
        """The lines of `rhs` above its return."""
        lines = [line for placed in self.plan.placed if placed.slot.parameter for line in self._on_parameter(placed)]
        for quantity in self.plan.quantities:
            lines += self._quantity(quantity)
            for placed in self.plan.placed:
                if placed.slot.term == quantity.name:
                    lines += self._join(placed, quantity.name)
            self._into_sums(quantity)
        for placed in self.plan.placed:
            if placed.slot.equation:
                lines += self._on_equation(placed, placed.slot.equation)
        return lines + self._everywhere()

    def entries(self) -> list[str]:
        """The entries of the returned dict."""
        entries = []
        for state, text in self.sums.items():
            text = text or f"torch.zeros_like(x.{state})"
            line = f'"{state}": {text},'
            entries += [line] if len(line) + 12 <= WIDTH else [f'"{state}": (', *_sum_lines(text), "),"]
        return entries

    def _quantity(self, quantity: Quantity) -> list[str]:
        value = quantity.expression.to_source(self.rename)
        self.rename[quantity.name] = quantity.name
        return _wrapped(f'{quantity.name} = self.term("{quantity.term}", {value})', INDENT)

    def _into_sums(self, quantity: Quantity) -> None:
        for state, sign in quantity.equations.items():
            self._add(state, sign, self.rename[quantity.name])

    def _add(self, state: str, sign: str, text: str) -> None:
        before = self.sums[state]
        self.sums[state] = f"{before} {sign} {text}" if before else (text if sign == "+" else f"-{text}")

    def _on_parameter(self, placed: Placed) -> list[str]:
        return self._join(placed, str(placed.slot.parameter))

    def _join(self, placed: Placed, name: str) -> list[str]:
        """A net on a term or a parameter; later lines use its result under the name."""
        now, role = self.rename[name], placed.gene.role
        result = self._free(f"{PREFIXES[role]}_{name}")
        call = {"replace": self._call(placed, instead_of=now), "scale": f"{now} * {self._call(placed)}"}
        text = call.get(role) or f"{now} + {self._call(placed, relative_to=now)}"
        self.rename[name] = result
        return _wrapped(f"{result} = {text}", INDENT)

    def _on_equation(self, placed: Placed, state: str) -> list[str]:
        before, role = self.sums[state], placed.gene.role
        if role == "add":
            self._add(state, "+", self._call(placed))
            return []
        physics = self._free(f"{state}_physics")
        text = self._call(placed, instead_of=physics) if role == "replace" else f"{physics} * {self._call(placed)}"
        self.sums[state] = text
        return _wrapped(f"{physics} = {before}", INDENT)

    def _everywhere(self) -> list[str]:
        gene = self.plan.everywhere
        if gene is None:
            return []
        names = [self._free(f"{state}_{self.everywhere}") for state in self.space.state_names]
        for state, name in zip(self.space.state_names, names, strict=True):
            self._add(state, "+", name)
        return _wrapped(f"{', '.join(names)} = self.{self.everywhere}({self._arguments(gene)})", INDENT)

    def _net(self, placed: Placed) -> list[str]:
        outputs = (placed.slot.equation,) if placed.slot.equation and placed.gene.role == "add" else ()
        return _declared(placed.slot.name, placed.gene, outputs, placed.structure)

    def _call(self, placed: Placed, **keywords: str) -> str:
        given = "".join(f", {key}={value}" for key, value in keywords.items())
        return f"self.{placed.slot.name}({self._arguments(placed.gene)}{given})"

    def _arguments(self, gene: NetGene) -> str:
        inputs = self.space.input_names
        return ", ".join(f"{'u' if name in inputs else 'x'}.{name}" for name in gene.inputs)

    def _free(self, name: str) -> str:
        """The name itself, or with a number where it is taken."""
        chosen, number = name, 2
        while chosen in self.taken:
            chosen, number = f"{name}_{number}", number + 1
        self.taken.add(chosen)
        return chosen


def _names_of(space: SearchSpace) -> set[str]:
    tables = (space.parameters, space.terms, space.library, space.slots)
    return {item.name for table in tables for item in table} | {"t", "x", "u", "self", "torch", "math"}


def _param(parameter: Parameter) -> list[str]:
    low, high = (None if parameter.fixed else bound for bound in (parameter.low, parameter.high))
    arguments = [repr(parameter.value)]
    arguments += [f"{key}={bound!r}" for key, bound in (("low", low), ("high", high)) if bound is not None]
    arguments += [f"unit={_quoted(parameter.unit)}"] + ["fixed=True"] * parameter.fixed
    line = f"{parameter.name} = Param({', '.join(arguments)})"
    comment = " ".join(parameter.description.split())
    commented = f"{line}  # {comment}"
    return [commented] if comment and len(commented) + 4 <= WIDTH else _wrapped(line, 4)


def _declared(name: str, gene: NetGene, outputs: tuple[str, ...], structure: Structure) -> list[str]:
    arguments = [f"inputs={_tuple(gene.inputs)}", f'role="{gene.role}"', f"hidden={_tuple(gene.hidden)}"]
    arguments += [f"outputs={_tuple(outputs)}"] if outputs else []
    arguments += ["positive=True"] if structure.positive else []
    arguments += [f"bounded={_tuple(structure.bounded)}"] if structure.bounded else []
    arguments += [f"{key}={_dict(value)}" for key, value in _mappings(structure) if value]
    return _wrapped(f"{name} = Net({', '.join(arguments)})", 4)


def _mappings(structure: Structure) -> list[tuple[str, Mapping[str, object]]]:
    return [("monotone", structure.monotone), ("zero_at", structure.zero_at)]


def _quoted(text: object) -> str:
    if not isinstance(text, str):
        return repr(text)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _tuple(items: Iterable[object]) -> str:
    written = [_quoted(item) for item in items]
    return f"({written[0]},)" if len(written) == 1 else f"({', '.join(written)})"


def _dict(items: Mapping[str, object]) -> str:
    return "{" + ", ".join(f"{_quoted(key)}: {_quoted(value)}" for key, value in items.items()) + "}"


def _wrapped(line: str, indent: int) -> list[str]:
    """A line as it is, or with what stands in its last outer brackets on a line of its own, then item by item."""
    if len(line) + indent <= WIDTH:
        return [line]
    opening = line.find("(") if "(" in line else line.find("{")
    if opening < 0 or line[-1] not in ")}":
        return _wrapped(_in_parentheses(line), indent)
    head, inside, closing = line[: opening + 1], line[opening + 1 : -1], line[-1]
    if len(inside) + indent + 4 <= WIDTH:
        return [head, f"    {inside}", closing]
    return [head, *(f"    {item}," for item in _items(inside)), closing]


def _in_parentheses(line: str) -> str:
    target, _, value = line.partition(" = ")
    return f"{target} = ({value})"


def _items(inside: str) -> list[str]:
    """The text between commas that stand in no inner bracket or quotation."""
    items, depth, start, quoted = [], 0, 0, False
    for index, char in enumerate(inside):
        quoted ^= char == '"'
        depth += (char in "([{") - (char in ")]}") if not quoted else 0
        if char == "," and depth == 0 and not quoted:
            items.append(inside[start:index].strip())
            start = index + 1
    return [*items, inside[start:].strip().rstrip(",")]


def _sum_lines(text: str) -> list[str]:
    """A sum, one summand a line."""
    lines, depth, start = [], 0, 0
    for index, char in enumerate(text):
        depth += (char in "([{") - (char in ")]}")
        if depth == 0 and index and text[index : index + 3] in (" + ", " - "):
            lines.append(text[start:index].strip())
            start = index
    return [f"    {line}" for line in [*lines, text[start:].strip()]]


def _docstring(claim: str) -> str:
    text = claim.replace("\\", "\\\\").replace('"', "'")
    return textwrap.fill(text, WIDTH - 6) or "A hybrid model."


@cache
def _template() -> jinja2.Template:
    """Compiled once: a proposer renders thousands of genomes."""
    return compiled("models/hybrid.py.j2")
