"""What is tried before anything is learned: the baselines, each white-box change, each slot by itself."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from archsearch.candidate.baselines import net_alone, physics_as_given, physics_plus_net
from archsearch.candidate.genes import Value, to_parameters
from archsearch.problem.expressions import parse
from archsearch.problem.space import SearchSpace
from archsearch.proposers.moves import Genes, GeneSpace, default

DROPPED = "dropped"


def systematic(space: SearchSpace, genes: GeneSpace) -> Iterator[Genes]:
    """The genomes that every search begins with, in order, simple ones first; some may be named twice.

    Args:
        space: the search space.
        genes: what a person has left of it. The baselines come first whatever that is: they are what the rest is
            measured against.
    """
    for baseline in (physics_as_given(space), net_alone(space), physics_plus_net(space)):
        if baseline is not None:
            yield dict(to_parameters(baseline, space))
    if not genes.is_empty:
        yield from (found for found in _single_changes(space, genes) if genes.allows(found))


def _single_changes(space: SearchSpace, genes: GeneSpace) -> Iterator[Genes]:
    """The physics with what is pinned and without what is banned, then with one change each."""
    root = genes.walk(default)
    yield root
    if not space.terms:
        yield from _together(space, genes, root)
    for name, value in _white_box(genes):
        yield genes.changed(root, {name: value})
    for together in _belonging_together(space, genes):
        yield genes.changed(root, together)
    for slot in space.slots:
        yield genes.changed(root, {f"slot.{slot.name}": slot.roles[0]})


def _together(space: SearchSpace, genes: GeneSpace, root: Genes) -> Iterator[Genes]:
    """Without physics: a library term in every equation, all of them, a net in every slot.

    A single change would leave the other equations standing still.
    """
    additive = [item for item in space.library if True in genes.values.get(f"add.{item.name}", ())]
    own = [[item.name for item in additive if state in item.equations] for state in space.state_names]
    kinds = [{f"add.{name}": True for name in names if name is not None} for names in zip_longest(*own)]
    for kind in kinds:
        yield genes.changed(root, kind)
    yield genes.changed(root, {name: value for kind in kinds for name, value in kind.items()})
    filled = {f"slot.{slot.name}": slot.roles[0] for slot in space.slots}
    yield genes.changed(root, {name: role for name, role in filled.items() if role in genes.values[name]})


def _white_box(genes: GeneSpace) -> list[tuple[str, Value]]:
    """Single changes that need no net: replacements, then additions, then what is left out."""
    changes = [
        (name, value)
        for name, values in genes.values.items()
        if name.startswith(("term.", "add."))
        for value in values[1:]
    ]
    return sorted(changes, key=_order)


def _belonging_together(space: SearchSpace, genes: GeneSpace) -> Iterator[Genes]:
    """Library terms that share a parameter which no given term has: one mechanism, seen in several terms.

    A lynx that is sated eats less and breeds less: each change alone is half a thought.
    """
    given = set().union(*(parse(term.expression).names for term in space.terms))
    for parameter in space.parameters:
        sharing = [item for item in space.library if parameter.name in parse(item.expression).names - given]
        changes: Genes = {
            f"term.{item.replaces}" if item.replaces else f"add.{item.name}": item.name if item.replaces else True
            for item in sharing
        }
        possible = all(value in genes.values.get(name, ()) for name, value in changes.items())
        if len(changes) > 1 and len(changes) == len(sharing) and possible:
            yield changes


def _order(change: tuple[str, Value]) -> int:
    name, value = change
    if value == DROPPED:
        return 2
    return 0 if name.startswith("term.") else 1
