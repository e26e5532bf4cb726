"""Genomes as points of a closed space of named choices, as samplers want them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations

from archsearch.candidate.genome import Genome, NetGene
from archsearch.candidate.plan import Plan, additions, droppable, plan, replacements
from archsearch.errors import RequestError, did_you_mean
from archsearch.problem.space import Role, SearchSpace, Slot

Value = str | float | int | bool
Genes = Mapping[str, Value]

MOST_MASKS = 8
HIDDEN = ("4", "8", "16", "8x8", "16x16")
NORM_WEIGHTS = (0.0, 1e-3, 1e-2, 1e-1, 1.0)
EMPTY = "empty"


@dataclass(frozen=True)
class Choice:
    """One gene: the values that it may have, and whether it matters, given the genes before it.

    Attributes:
        barred: those of the values that it may not have, given the genes before it.
    """

    values: tuple[Value, ...]
    active: Callable[[Genes], bool]
    barred: Callable[[Genes], tuple[Value, ...]] = lambda genes: ()

    def left(self, genes: Genes) -> tuple[Value, ...]:
        """The values that it may have, given the genes before it."""
        barred = self.barred(genes)
        return tuple(value for value in self.values if value not in barred)


def choices(space: SearchSpace) -> dict[str, Choice]:
    """All genes of a space, in an order in which each depends only on those before it."""
    found = {"physics": Choice((True, False), lambda genes: True)}
    for term in space.terms:
        options = _term_options(space, term.name)
        if len(options) > 1:
            found[f"term.{term.name}"] = Choice(options, _has_physics)
    for item in additions(space):
        found[f"add.{item.name}"] = Choice((False, True), _has_physics)
    found["everywhere"] = Choice((False, True), _has_physics)
    found["everywhere.inputs"] = Choice(_everywhere_masks(space), _is_everywhere)
    found["everywhere.hidden"] = Choice(HIDDEN, _is_everywhere)
    for slot in space.slots:
        found |= _slot_choices(slot, space)
    found["norm_weight"] = Choice(NORM_WEIGHTS, lambda genes: _has_net(genes, space))
    return found


def active_choices(genes: Genes, space: SearchSpace) -> dict[str, tuple[Value, ...]]:
    """The genes that matter, given those chosen so far, with their values.

    To draw a genome, fill the first one that is not chosen yet and ask again.
    """
    return {name: choice.left(genes) for name, choice in choices(space).items() if choice.active(genes)}


def to_parameters(genome: Genome, space: SearchSpace) -> dict[str, Value]:
    """The genes of a genome; those that do not matter are absent.

    Raises:
        RequestError: the genome is not a point of this space.
    """
    genes: dict[str, Value] = {}
    for name, choice in choices(space).items():
        if choice.active(genes):
            genes[name] = _gene_of(genome, name)
            _refuse_stranger(name, genes[name], choice.left(genes))
    return genes


def from_parameters(genes: Genes, space: SearchSpace) -> Genome:
    """The genome of these genes.

    Raises:
        RequestError: a gene is missing, unknown, without effect, or has a value that it may not have.
    """
    _refuse_incomplete(genes, space)
    changed = [name for name, value in genes.items() if name.startswith("term.") and value != "given"]
    slots = [slot.name for slot in space.slots if genes.get(f"slot.{slot.name}", EMPTY) != EMPTY]
    return Genome(
        terms={name.removeprefix("term."): str(genes[name]) for name in changed},
        added=tuple(item.name for item in additions(space) if genes.get(f"add.{item.name}")),
        slots={name: _net_of(genes, f"slot.{name}") for name in slots},
        everywhere=_net_of(genes, "everywhere") if _is_everywhere(genes) else None,
        physics=bool(genes["physics"]),
        norm_weight=float(genes.get("norm_weight", 0.0)),
    )


def quantities_of(genes: Genes, space: SearchSpace) -> frozenset[str]:
    """The terms of the space and of the library that a model of these genes is made of, by their own names."""
    if not _has_physics(genes):
        return frozenset()
    return frozenset(item.term for item in plan(_physics_of(genes, space), space).quantities)


def _term_options(space: SearchSpace, name: str) -> tuple[Value, ...]:
    term = next(term for term in space.terms if term.name == name)
    if term.trust == "trusted":
        return ("given",)
    others = tuple(item.name for item in replacements(term, space))
    return ("given", *(("dropped",) if droppable(term, space) else ()), *others)


def _slot_choices(slot: Slot, space: SearchSpace) -> dict[str, Choice]:
    name = f"slot.{slot.name}"

    def has_place(genes: Genes) -> bool:
        return _has_physics(genes) and not _is_everywhere(genes) and _has_place(slot, genes, space)

    def barred(genes: Genes) -> tuple[Role, ...]:
        return _barred(slot, plan(_physics_of(genes, space), space)) if slot.term else ()

    def filled(genes: Genes) -> bool:
        return genes.get(name, EMPTY) != EMPTY

    return {
        name: Choice((EMPTY, *slot.roles), has_place, barred),
        f"{name}.inputs": Choice(_masks(slot), filled),
        f"{name}.hidden": Choice(HIDDEN, filled),
    }


def _has_physics(genes: Genes) -> bool:
    return bool(genes.get("physics", False))


def _is_everywhere(genes: Genes) -> bool:
    return genes.get("physics") is False or bool(genes.get("everywhere", False))


def _has_place(slot: Slot, genes: Genes, space: SearchSpace) -> bool:
    """Whether what the slot stands on is part of the model that the genes before it make, and can be joined to."""
    if slot.equation:
        return True
    drawn = plan(_physics_of(genes, space), space)
    if slot.term:
        return slot.term not in drawn.dropped and slot.roles != _barred(slot, drawn)
    return any(parameter.name == slot.parameter for parameter in drawn.parameters)


def _barred(slot: Slot, drawn: Plan) -> tuple[Role, ...]:
    """What a net in a slot cannot do: stand in the place of a law that stands in the place of the same term.

    Nothing of that law would be left in the model, and its parameters would be fitted to nothing.
    """
    return ("replace",) if slot.term in drawn.replaced else ()


def _physics_of(genes: Genes, space: SearchSpace) -> Genome:
    terms = {name.removeprefix("term."): str(value) for name, value in genes.items() if name.startswith("term.")}
    return Genome(terms=terms, added=tuple(item.name for item in additions(space) if genes.get(f"add.{item.name}")))


def _has_net(genes: Genes, space: SearchSpace) -> bool:
    if not _has_physics(genes) or not space.terms:
        return False
    return _is_everywhere(genes) or any(genes.get(f"slot.{slot.name}", EMPTY) != EMPTY for slot in space.slots)


def _masks(slot: Slot) -> tuple[Value, ...]:
    """All inputs, then one, two, ... at a time; an input at which the net is zero is always seen."""
    needed = set(slot.structure.zero_at)
    sizes = range(1, len(slot.inputs))
    smaller = [mask for size in sizes for mask in combinations(slot.inputs, size) if needed <= set(mask)]
    return tuple("+".join(mask) for mask in [slot.inputs, *smaller][:MOST_MASKS])


def _everywhere_masks(space: SearchSpace) -> tuple[Value, ...]:
    """All states and inputs, or the states alone."""
    masks = [(*space.state_names, *space.input_names), space.state_names]
    return tuple(dict.fromkeys("+".join(mask) for mask in masks))


def _gene_of(genome: Genome, name: str) -> Value:
    kind, _, rest = name.partition(".")
    if kind == "physics":
        return genome.physics
    if kind == "norm_weight":
        return genome.norm_weight
    if kind == "term":
        return genome.terms.get(rest, "given")
    if kind == "add":
        return rest in genome.added
    if name == "everywhere":
        return genome.everywhere is not None
    owner, _, part = rest.partition(".") if kind == "slot" else ("", "", rest)
    gene = genome.slots.get(owner) if owner else genome.everywhere
    return _net_gene(gene, part)


def _net_gene(gene: NetGene | None, part: str) -> Value:
    if gene is None:
        return EMPTY
    if part == "inputs":
        return "+".join(gene.inputs)
    return "x".join(str(width) for width in gene.hidden) if part == "hidden" else gene.role


def _net_of(genes: Genes, name: str) -> NetGene:
    role: Role = "add" if name == "everywhere" else _role(str(genes[name]))
    hidden = tuple(int(width) for width in str(genes[f"{name}.hidden"]).split("x"))
    return NetGene(role=role, inputs=tuple(str(genes[f"{name}.inputs"]).split("+")), hidden=hidden)


def _role(text: str) -> Role:
    roles: dict[str, Role] = {"add": "add", "scale": "scale", "replace": "replace"}
    return roles[text]


def _refuse_incomplete(genes: Genes, space: SearchSpace) -> None:
    known = choices(space)
    for name in genes:
        if name not in known:
            raise RequestError(f"The gene {name!r} is unknown{did_you_mean(name, known)}", "Leave it out.")
    for name, value in genes.items():
        _refuse_stranger(name, value, known[name].left(genes))
    idle = [name for name in genes if not known[name].active(genes)]
    if idle:
        raise RequestError(f"The gene {idle[0]!r} has no effect beside the others.", "Leave it out.")
    missing = [name for name, choice in known.items() if choice.active(genes) and name not in genes]
    if missing:
        raise RequestError(f"The gene {missing[0]!r} is missing.", f"Choose one of {known[missing[0]].values}.")


def _refuse_stranger(name: str, value: Value, allowed: tuple[Value, ...]) -> None:
    if not any(value == other and type(value) is type(other) for other in allowed):
        raise RequestError(f"The gene {name!r} is {value!r}.", f"Choose one of {allowed}.")
