"""A card in the terminal: readable in 80 columns and without colour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from archsearch.cli.output import visible
from archsearch.review.wording import four, listed

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from archsearch.review.card import Card, EquationDiff, EquationPiece, NetCard, ParameterCard
    from archsearch.review.fit import FieldFit, StateFit

MARKS = {"kept": " ", "added": "+", "removed": "-"}
STYLES = {"kept": "dim", "added": "green", "removed": "red"}
STATES = {
    "waiting": "waits for a decision",
    "approved": "approved, not evaluated yet",
    "refused": "refused",
    "evaluated": "evaluated",
}
INDENT = 2


def card_lines(
    card: Card,
    fits: Sequence[StateFit] = (),
    fitted: int | None = None,
    width: int = 80,
    fields: Sequence[FieldFit] = (),
) -> Iterator[RenderableType]:
    """What a person needs to decide, in the order in which it is read.

    Args:
        card: the proposal.
        fits: of the candidate that it is compared with.
        fitted: the number of that candidate.
        width: of the terminal, in characters.
        fields: of that candidate, where states are fields.
    """
    from rich.rule import Rule

    yield Rule(f"Proposal {card.number}: {STATES[card.state]}", align="left", style="bold", characters="=")
    yield _text(card.claim or "No claim was made.", style="bold")
    yield from _hanging([card.hypothesis] if card.hypothesis else [])
    yield from _source(card)
    yield from _section(f"New against {card.compared_with}", card.new)
    yield from _equations(card)
    yield from _parameters(card.parameters)
    yield from _nets(card.nets)
    yield from _checks(card)
    yield from _forecasts(card)
    yield from _picture(fits, fitted, width)
    yield from _field_picture(fields, fitted, width)
    yield from _code(card)


def code_lines(card: Card) -> Iterator[Text]:
    """The code diff, or the source where there is nothing to compare it with."""
    text = card.code_diff or card.source
    for line in text.splitlines():
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1] if card.code_diff else "", "")
        yield _text(line, style=style)


def _source(card: Card) -> Iterator[RenderableType]:
    """Who proposed it, when, and what it was made from."""
    when = f" at {card.proposed_at.replace('T', ' ').replace('+00:00', ' UTC')}" if card.proposed_at else ""
    told = [f"Proposed by {card.author}{when}; candidate {card.candidate}; kind: {card.kind}."]
    for parent in card.parents:
        error = f"nrmse {four(parent.error)}" if parent.error is not None else "no result"
        told.append(f"Made from number {parent.number} ({error}): {parent.claim}")
    if card.decision is not None:
        verb = "Approved" if card.decision.approved else "Refused"
        told.append(f"{verb} by {card.decision.by}" + (f": {card.decision.reason}" if card.decision.reason else "."))
    if card.state == "evaluated":
        told.append(
            "Its evaluation failed." if card.error is None else f"Its evaluation gave nrmse {four(card.error)}."
        )
    yield from _hanging(told)


def _equations(card: Card) -> Iterator[RenderableType]:
    from rich.table import Table

    yield _heading(f"Equations against {card.compared_with} (+ added, - removed)")
    table = Table.grid(padding=(0, 1))
    for _ in range(3):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for diff in card.equations:
        for row in _rows(diff):
            table.add_row(*row)
    yield table


def _rows(diff: EquationDiff) -> Iterator[tuple[Text, ...]]:
    """One line for each summand, the left-hand side on the first."""
    left = f"{diff.left_text} {diff.relation}" if diff.split else f"{diff.left_text}:"
    if all(piece.change == "removed" for piece in diff.pieces):
        yield _text(" "), _text(left), _text(""), _text("0")
        left = ""
    for place, piece in enumerate(diff.pieces):
        style = _style(piece)
        sign = piece.sign if diff.split and (place or piece.sign == "-" or piece.change == "removed") else ""
        text = _text(piece.text, style=style)
        yield _text(MARKS[piece.change], style=STYLES[piece.change]), _text(left), _text(sign, style=style), text
        left = ""


def _style(piece: EquationPiece) -> str:
    return f"bold {STYLES[piece.change]}" if piece.change == "added" else STYLES[piece.change]


def _parameters(parameters: Sequence[ParameterCard]) -> Iterator[RenderableType]:
    new = [item for item in parameters if item.new]
    old = [item.name for item in parameters if not item.new]
    told = [_parameter(item) for item in new]
    if old:
        told.append(f"{'As before' if new else 'None; as before'}: {listed(old)}.")
    yield from _section("New parameters", told or ["There are no parameters."])


def _parameter(item: ParameterCard) -> str:
    unit = "" if item.unit == "1" else f" {item.unit}"
    low = "no lower bound" if item.low is None else f"from {four(item.low)}"
    high = "no upper bound" if item.high is None else f"to {four(item.high)}"
    bounds = "fixed" if item.fixed else f"{low} {high}" if item.low is not None else f"{low}, {high}"
    about = f": {item.description}" if item.description else ""
    return f"{item.name} = {four(item.start)}{unit}, {bounds}{about}"


def _nets(nets: Sequence[NetCard]) -> Iterator[RenderableType]:
    yield _heading("Nets")
    if not nets:
        yield from _hanging(["None: all of it is written down."])
    for net in nets:
        size = "x".join(map(str, net.hidden)) or "no hidden layer"
        known = f"; {listed(net.structure)}" if net.structure else ""
        new = "new: " if net.new else ""
        seen = listed(net.inputs)
        yield from _hanging([f"{net.name}, {new}{net.place}; sees {seen}; {size}, {net.weights} weights{known}"])
        yield from _hanging(net.warnings, INDENT + 2, "yellow", "!")


def _checks(card: Card) -> Iterator[RenderableType]:
    yield _heading("Checks")
    for check in card.checks:
        mark, style = ("ok ", "green") if check.passed else ("NOT", "bold red")
        yield from _hanging([check.sentence], style=style, mark=mark)


def _forecasts(card: Card) -> Iterator[RenderableType]:
    """What is expected, and how good such expectations were."""
    error = [card.predicted.text] if card.predicted is not None else []
    yield from _section("Expected error", [*error, card.predicted_note, f"So far: {card.track_record}"])
    cost = card.seconds.text if card.seconds is not None else "Too few results to say."
    yield from _section("Expected cost of its evaluation", [cost])


def _picture(fits: Sequence[StateFit], fitted: int | None, width: int) -> Iterator[RenderableType]:
    if not fits or fitted is None:
        return
    from archsearch.cli.plot import fit_lines

    yield _heading(f"Fit of number {fitted} and what it leaves over, trajectory {fits[0].trajectory}")
    yield from fit_lines(fits, width)


def _field_picture(fields: Sequence[FieldFit], fitted: int | None, width: int) -> Iterator[RenderableType]:
    if not fields or fitted is None:
        return
    from archsearch.cli.field_plot import field_lines

    yield _heading(f"Fit of number {fitted}, trajectory {fields[0].trajectory}")
    yield from field_lines(fields, width)


def _code(card: Card) -> Iterator[RenderableType]:
    lines = card.code_diff.splitlines()
    added = sum(line.startswith("+") and not line.startswith("+++") for line in lines)
    removed = sum(line.startswith("-") and not line.startswith("---") for line in lines)
    folded = f"{added} lines added, {removed} removed: d shows them." if lines else "d shows the source."
    yield from _section("Code", [folded])


# ---- pieces ---------------------------------------------------------------------------------------------------------


def _text(text: str, style: str = "") -> Text:
    """Text that cannot steer the terminal, whoever wrote it."""
    from rich.text import Text

    return Text(visible(text), style=style)


def _section(title: str, sentences: Sequence[str]) -> Iterator[RenderableType]:
    yield _heading(title)
    yield from _hanging([sentence for sentence in sentences if sentence])


def _heading(title: str) -> RenderableType:
    return _text(f"\n{title}", style="bold underline")


def _hanging(
    sentences: Sequence[str], indent: int = INDENT, style: str = "", mark: str = "*"
) -> Iterator[RenderableType]:
    """Sentences, each with a mark before it and its lines below each other."""
    from rich.padding import Padding
    from rich.table import Table

    for sentence in sentences:
        table = Table.grid(padding=(0, 1))
        table.add_row(_text(mark, style=style), _text(sentence))
        yield Padding(table, (0, 0, 0, indent), expand=False)
