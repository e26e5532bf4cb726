"""The card: all that a person needs to decide on a proposal, as values.

The terminal, the page and the JSON API show the same card; nothing on it is markup or colour.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from archsearch.study.record import Decision

CardState = Literal["waiting", "approved", "refused", "evaluated"]
Change = Literal["kept", "added", "removed"]


class CardPart(BaseModel):
    """Common to all parts of a card: frozen, unknown keys refused, what is not finite becomes null in JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class ParentRef(CardPart):
    """A candidate that this one was made from.

    Attributes:
        number: its place in the search.
        candidate: its id.
        claim: what it assumes.
        error: its validation nrmse; None if it failed or was not evaluated.
    """

    number: int
    candidate: str
    claim: str
    error: float | None


class EquationPiece(CardPart):
    """One summand of an equation.

    Attributes:
        change: against the same equation of the parent.
        sign: in front of it.
        latex: what it is, for typesetting.
        text: what it is, for a terminal: `b * hare * lynx`, `net hunting(hare, lynx) * predation`.
        kind: `net` if a net has a part in it.
        name: of the term or the net that it is; empty if it has none.
    """

    change: Change
    sign: Literal["+", "-"]
    latex: str
    text: str
    kind: Literal["term", "net"]
    name: str = ""


class EquationDiff(CardPart):
    """One equation beside that of the parent.

    Attributes:
        state: whose derivative or output it gives; or what else a method returns, e.g. `limits substrate`.
        left_latex: the left-hand side, without the equals sign.
        left_text: likewise for a terminal, e.g. `d hare/dt`.
        relation: between the sides; the others are limits.
        pieces: kept and added ones in the order of the source, then those that are gone.
        split: whether it could be read summand by summand; otherwise each piece is the text of a whole equation.
    """

    state: str
    left_latex: str
    left_text: str
    pieces: tuple[EquationPiece, ...]
    relation: Literal["=", "<="] = "="
    split: bool = True

    @property
    def changed(self) -> bool:
        """Whether anything differs from the parent."""
        return any(piece.change != "kept" for piece in self.pieces)


class ParameterCard(CardPart):
    """A parameter as declared.

    Attributes:
        name: in the source.
        unit: of value and bounds.
        low: lower bound; None for none.
        high: upper bound; None for none.
        start: where the fit starts, or the value if it is fixed.
        description: from the search space; empty for a parameter that it does not have.
        fixed: a constant, never fitted.
        new: the parent does not have it.
    """

    name: str
    unit: str
    low: float | None
    high: float | None
    start: float
    description: str = ""
    fixed: bool = False
    new: bool = False


class NetCard(CardPart):
    """A net: where it stands, what it sees, what it can take away from the physics.

    Attributes:
        name: in the source.
        place: `in the place of predation`, `added to d lynx/dt`.
        role: how it joins.
        inputs: what it sees.
        hidden: the widths of its hidden layers.
        weights: how many numbers are fitted in it.
        structure: what it can never do, in words, e.g. `never negative`.
        warnings: what the data may not be able to tell apart from it, one sentence each.
        new: the parent does not have it.
    """

    name: str
    place: str
    role: Literal["add", "scale", "replace", "map"]
    inputs: tuple[str, ...]
    hidden: tuple[int, ...]
    weights: int
    structure: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    new: bool = False


class CheckCard(CardPart):
    """Something that was checked: what, and whether it holds."""

    sentence: str
    passed: bool


class Forecast(CardPart):
    """What is expected of a candidate before it is trained.

    Attributes:
        value: the expected value, the middle of the interval on a logarithmic scale.
        low: lower end of an interval that should hold 80 of 100 results.
        high: its upper end.
        neighbours: numbers of the evaluated candidates that it rests on, nearest first.
        text: the same as a sentence.
    """

    value: float
    low: float
    high: float
    neighbours: tuple[int, ...]
    text: str


class Card(CardPart):
    """A proposal as a person is shown it, in the order in which it is read.

    Attributes:
        number: its place in the search.
        candidate: the id.
        author: `grammar`, `llm`, or the name of a person.
        kind: what `approve all like this` is about, e.g. `grammar, net in growth_rate`.
        proposed_at: UTC, ISO 8601; empty in records of earlier versions.
        state: what became of it so far.
        decision: what was decided, by whom and why; None if nothing was.
        claim: what it assumes, in one line.
        hypothesis: why it should be tried and what it is expected to do, where its author said so.
        parents: what it was made from, the one that it is compared with first.
        compared_with: that one in words: `number 7`, `the physics as given`.
        new: what is new against it, one sentence each.
        equations: beside those of the parent, one for each state, then what else the candidate returns.
        parameters: the new ones first.
        nets: as declared.
        checks: the static check, constraints of the space, bans and pins.
        names: the terms and slots of the space that it uses: what may be banned or pinned.
        predicted: the validation nrmse that is expected; None if there is too little to say.
        predicted_note: what there is to say besides, e.g. why nothing is predicted.
        track_record: how good such forecasts were so far.
        seconds: how long its evaluation is expected to take; None if there is too little to say.
        error: the validation nrmse that it turned out to have; None before, and for a failure.
        source: the Python file.
        code_diff: from the parent's source to this one, in the unified format; empty without a parent.
    """

    number: int
    candidate: str
    author: str
    kind: str
    proposed_at: str
    state: CardState
    decision: Decision | None
    claim: str
    hypothesis: str
    parents: tuple[ParentRef, ...]
    compared_with: str
    new: tuple[str, ...]
    equations: tuple[EquationDiff, ...]
    parameters: tuple[ParameterCard, ...]
    nets: tuple[NetCard, ...]
    checks: tuple[CheckCard, ...]
    names: tuple[str, ...]
    predicted: Forecast | None
    predicted_note: str
    track_record: str
    seconds: Forecast | None
    error: float | None
    source: str
    code_diff: str
