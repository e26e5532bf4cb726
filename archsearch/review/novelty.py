"""What is new in a proposal, in sentences, and the parameters that it declares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archsearch.problem.space import SearchSpace
from archsearch.review.card import EquationDiff, NetCard, ParameterCard
from archsearch.review.reading import nets_of, parameters_of, regularizers_of
from archsearch.review.wording import four, listed


def parameter_cards(source: str, parent: str, space: SearchSpace) -> tuple[ParameterCard, ...]:
    """The parameters of a source, those first that the parent does not have."""
    described = {item.name: item.description for item in space.parameters}
    before = parameters_of(parent)
    cards = [
        ParameterCard(
            name=name,
            unit=item.unit,
            low=item.low,
            high=item.high,
            start=item.value,
            description=described.get(name, ""),
            fixed=item.fixed,
            new=name not in before,
        )
        for name, item in parameters_of(source).items()
    ]
    return tuple(sorted(cards, key=lambda card: not card.new))


def news(source: str, parent: str, diffs: Sequence[EquationDiff], nets: Sequence[NetCard]) -> tuple[str, ...]:
    """What is new against the parent, one sentence each; that nothing is, where nothing is."""
    found = [*_equations(diffs), *_nets(parent, nets), *_parameters(source, parent), *_regularizers(source, parent)]
    return tuple(found) or ("Nothing that its equations, parameters and nets show.",)


def _equations(diffs: Sequence[EquationDiff]) -> Iterator[str]:
    for diff in diffs:
        counts = {change: sum(piece.change == change for piece in diff.pieces) for change in ("added", "removed")}
        what = "summand" if diff.split else "line"
        told = [f"{count} {what}{'s' if count > 1 else ''} {change}" for change, count in counts.items() if count]
        if told:
            yield f"{diff.left_text if diff.split else 'The code'}: {listed(told)}."


def _nets(parent: str, nets: Sequence[NetCard]) -> Iterator[str]:
    before = nets_of(parent)
    for card in nets:
        old = before.get(card.name)
        if old is None:
            yield f"The net {card.name}, {card.place}: sees {listed(card.inputs)}, {card.weights} weights."
            continue
        changes = []
        if old.role != card.role:
            changes.append(f"its role is {card.role}, was {old.role}")
        if old.inputs != card.inputs:
            changes.append(f"it sees {listed(card.inputs)}, saw {listed(old.inputs)}")
        if old.hidden != card.hidden:
            changes.append(f"its hidden layers are {_size(card.hidden)}, were {_size(old.hidden)}")
        if card.new and not changes:
            changes.append("what is known of its shape differs")
        if changes:
            yield f"The net {card.name}: {listed(changes)}."
    gone = [name for name in before if name not in {card.name for card in nets}]
    if gone:
        yield f"{_counted(len(gone), 'net is', 'nets are')} gone: {listed(gone)}."


def _parameters(source: str, parent: str) -> Iterator[str]:
    now, before = parameters_of(source), parameters_of(parent)
    for verb, names in (("new", [name for name in now if name not in before]),
                        ("gone", [name for name in before if name not in now])):  # fmt: skip
        if names:
            yield f"{_counted(len(names), 'parameter is', 'parameters are')} {verb}: {listed(names)}."
    for name, item in now.items():
        old = before.get(name)
        if old is not None and (item.low, item.high, item.fixed) != (old.low, old.high, old.fixed):
            yield f"{name} may be {_range(item.low, item.high)}, was {_range(old.low, old.high)}."


def _regularizers(source: str, parent: str) -> Iterator[str]:
    now, before = regularizers_of(source), regularizers_of(parent)
    for name in dict.fromkeys([*now, *before]):
        if now.get(name) != before.get(name):
            yield f"The regularizer {name} has weight {now.get(name, 0.0):g}, had {before.get(name, 0.0):g}."


def _range(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return "any number"
    return f"{four(low) if low is not None else 'any'} to {four(high) if high is not None else 'any'}"


def _size(hidden: Sequence[int]) -> str:
    return "x".join(map(str, hidden))


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
