"""A genome in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from archsearch.candidate.genome import Genome, NetGene
from archsearch.candidate.plan import Placed, Plan, plan
from archsearch.problem.space import SearchSpace

PLACES = {"replace": "in the place of", "scale": "that scales", "add": "added to"}


def claim_of(genome: Genome, space: SearchSpace) -> str:
    """What this candidate assumes, in one sentence."""
    drawn = plan(genome, space)
    if not drawn.quantities and drawn.everywhere is not None and not drawn.placed:
        return f"A net alone ({_size(drawn.everywhere)}) sees {_joined(drawn.everywhere.inputs)}."
    parts = [*_replacements(drawn), *_removals(drawn, space), *_additions(drawn), *_nets(drawn)]
    if not parts:
        return "The physics as given." if drawn.quantities else "Nothing changes: every derivative is zero."
    if drawn.has_net and genome.norm_weight:
        parts.append(f"the correction is kept small (weight {genome.norm_weight:g})")
    sentence = "; ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _replacements(drawn: Plan) -> list[str]:
    return [f"{_words(new)} stands in the place of {_words(old)}" for old, new in drawn.replaced.items()]


def _removals(drawn: Plan, space: SearchSpace) -> list[str]:
    """The terms left out on purpose: those in an equation, or all at once."""
    in_equations = {term.name for term in space.terms if term.equations}
    dropped = [name for name in drawn.dropped if name in in_equations]
    if dropped and not drawn.quantities:
        return ["no physics"]
    return [f"{_listed(dropped)} {'is' if len(dropped) == 1 else 'are'} left out"] if dropped else []


def _additions(drawn: Plan) -> list[str]:
    added = [item.name for item in drawn.quantities if item.change == "added" and item.equations]
    return [f"{_listed(added)} {'is' if len(added) == 1 else 'are'} added"] if added else []


def _nets(drawn: Plan) -> list[str]:
    parts = [_net(placed) for placed in drawn.placed]
    if drawn.everywhere is not None:
        gene = drawn.everywhere
        parts.append(f"a net ({_size(gene)}) added to every equation sees {_joined(gene.inputs)}")
    return parts


def _net(placed: Placed) -> str:
    slot, gene = placed.slot, placed.gene
    target = f"the {slot.equation} equation" if slot.equation else _words(str(slot.term or slot.parameter))
    return f"a net ({_size(gene)}) {PLACES[gene.role]} {target} sees {_joined(gene.inputs)}"


def _size(gene: NetGene) -> str:
    return "x".join(str(width) for width in gene.hidden)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _listed(names: Sequence[str]) -> str:
    return _joined([_words(name) for name in names])


def _joined(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
