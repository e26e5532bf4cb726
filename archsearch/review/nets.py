"""The nets of a proposal: where they stand, what they see, and what they can take away from the physics."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from itertools import pairwise

from archsearch.hybrid import Net
from archsearch.problem.space import SearchSpace
from archsearch.review.card import NetCard
from archsearch.review.places import place, targets_of
from archsearch.review.reach import TOGETHER, Reach, reach_of
from archsearch.review.reading import idle_parameters, nets_of, parameters_of, regularizers_of, replaced_of, terms_of
from archsearch.review.wording import listed

UNKNOWN = "The equations are not plain arithmetic: what it can take away from the physics was not worked out."


def net_cards(source: str, parent: str, space: SearchSpace) -> tuple[NetCard, ...]:
    """The nets of a source.

    Args:
        source: the candidate.
        parent: what it is compared with; empty for nothing.
        space: that both are for.
    """
    nets, before = nets_of(source), nets_of(parent)
    targets = targets_of(source, nets, space)
    warnings = net_warnings(source, nets, targets)
    return tuple(
        NetCard(
            name=name,
            place=place(net, targets[name]),
            role=net.role,
            inputs=net.inputs,
            hidden=net.hidden,
            weights=weights_of(net),
            structure=structure_of(net),
            warnings=warnings[name],
            new=before.get(name) != net,
        )
        for name, net in nets.items()
    )


def weights_of(net: Net) -> int:
    """How many numbers are fitted in a net."""
    widths = (len(net.inputs), *net.hidden, max(1, len(net.outputs)))
    return sum((above + 1) * below for above, below in pairwise(widths))


def structure_of(net: Net) -> tuple[str, ...]:
    """What a net can never do."""
    found = ["never negative"] if net.positive else []
    found += [f"between {net.bounded[0]:g} and {net.bounded[1]:g}"] if net.bounded else []
    found += [f"{'rises' if sign == '+' else 'falls'} with {name}" for name, sign in (net.monotone or {}).items()]
    found += [f"zero at {name} = {value:g}" for name, value in (net.zero_at or {}).items()]
    return tuple(found)


def net_warnings(source: str, nets: Mapping[str, Net], targets: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """What the data may not be able to tell apart from each net, one sentence each."""
    reaches = reach_of(source)
    if reaches is None:
        return dict.fromkeys(nets, (UNKNOWN,))
    found = {}
    for name, net in nets.items():
        reach = reaches.get(name, Reach((), ()))
        sentences = [*_instead(source, net, targets[name]), *_imitated(reach)]
        if len(nets) > 1:
            sentences += _together(reaches)
        found[name] = (*sentences, *_narrowed(source, net)) if sentences else ()
    return found


def _instead(source: str, net: Net, target: str) -> Iterator[str]:
    """What is gone because the net stands in its place."""
    if not terms_of(source) and not parameters_of(source):
        yield "There is no physics beside it: what it learns is no law."
    if net.role == "map":
        yield "All that the physics says passes through it: it can undo any part."
    if net.role != "replace":
        return
    yield f"Nothing of {target or 'what it replaces'} is left: the fit alone says what stands in its place."
    terms = terms_of(source)
    value = terms.get(target, terms.get(replaced_of(source).get(target, "")))
    own = {part.attr for part in ast.walk(value) if isinstance(part, ast.Attribute)} if value is not None else {target}
    idle = [name for name in idle_parameters(source) if name in own]
    if idle:
        one = len(idle) == 1
        yield f"{listed(idle)} {'stands' if one else 'stand'} nowhere else: the data say nothing of {_it(one)}."


def _imitated(reach: Reach) -> Iterator[str]:
    """Terms and parameters that the net can stand in for."""
    if reach.terms:
        what = _it(len(reach.terms) == 1)
        yield f"It can imitate {listed(reach.terms)}: how much of {what} is physics, the data cannot tell."
    if reach.parameters:
        yield f"{listed(reach.parameters)} cannot be determined beside it."


def _together(reaches: Mapping[str, Reach]) -> Iterator[str]:
    """Parameters that no net takes by itself, and all of them do."""
    alone = {name for net, reach in reaches.items() if net != TOGETHER for name in reach.parameters}
    more = [name for name in reaches[TOGETHER].parameters if name not in alone]
    if more:
        yield f"Beside all nets together, {listed(more)} cannot be determined."


def _narrowed(source: str, net: Net) -> Iterator[str]:
    """What speaks for one answer where the data do not."""
    held = structure_of(net)
    if held:
        yield f"What is known of it narrows that: {listed(held)}."
    weights = [f"{kind} (weight {weight:g})" for kind, weight in regularizers_of(source).items()]
    if weights:
        yield f"Where the data cannot tell, the regularizer {listed(weights)} decides: a convention, no evidence."


def _it(one: bool) -> str:
    return "it" if one else "them"
