"""What an LLM replies, typed; and how that becomes candidates, or a list of all that is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.check import check
from archsearch.candidate.genes import Value, from_parameters
from archsearch.errors import RequestError, did_you_mean
from archsearch.plain_text import one_line
from archsearch.problem.space import SearchSpace
from archsearch.proposers.baselines import candidate_of
from archsearch.proposers.canonical import are_the_same
from archsearch.proposers.memory import NO_WISHES, Past, Wishes
from archsearch.proposers.moves import Genes, GeneSpace
from archsearch.proposers.obeying import violations

AUTHOR = "llm"
LONGEST_CLAIM = 200
LONGEST_RATIONALE = 4000
LONGEST_FINDING = 2000

Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=4000)]


class Form(BaseModel):
    """Common to what a reply consists of: frozen; what nobody asked for is left aside."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Expected(Form):
    """What a proposal should do to the error of one state."""

    state: str
    effect: Annotated[Text, Field(description="what should happen to the error of this state")]


class Edit(Form):
    """One gene of the parent with a new value."""

    gene: str
    value: str


class Suggestion(Form):
    """One proposal of an LLM: a source, or edits of the genes of its parent."""

    claim: Annotated[Text, Field(min_length=1, description="one line: what this model assumes")]
    hypothesis: Annotated[Text, Field(description="why the data should prefer it; what would refute it")] = ""
    expected: tuple[Expected, ...] = ()
    parent: Annotated[str, Field(description='number of the candidate that it was made from, or ""')] = ""
    source: Annotated[str, Field(max_length=100_000, description='the whole Python file, or "" with edits')] = ""
    edits: Annotated[tuple[Edit, ...], Field(description="changed genes of the parent, or [] with a source")] = ()


class Reply(Form):
    """A reply: one proposal or several."""

    proposals: Annotated[tuple[Suggestion, ...], Field(min_length=1, max_length=20)]


@dataclass(frozen=True)
class TurnedBack:
    """A proposal that cannot be trained as it is.

    Attributes:
        place: in the reply, from 1.
        claim: what it said of itself.
        findings: all that is wrong with it.
        candidate: what it would be, if it is anything at all.
    """

    place: int
    claim: str
    findings: tuple[str, ...]
    candidate: Candidate | None


@dataclass(frozen=True)
class Sorted:
    """A reply, sorted."""

    good: tuple[Candidate, ...]
    turned_back: tuple[TurnedBack, ...]


class Reader:
    """Makes candidates of the proposals in a reply.

    Args:
        space: what they are for.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._genes = GeneSpace(space)

    def sort(
        self, reply: Reply, past: Sequence[Past], already: Sequence[Candidate] = (), wishes: Wishes = NO_WISHES
    ) -> Sorted:
        """The proposals that can be trained, and those that are turned back with all that is wrong with them.

        Args:
            reply: of the LLM.
            past: what was proposed before.
            already: candidates of the same round that are good.
            wishes: of a person; what breaks a ban or a pin is turned back.
        """
        known = [*past, *(Past(-1, candidate) for candidate in already)]
        good: list[Candidate] = []
        turned_back = []
        for place, item in enumerate(reply.proposals, 1):
            candidate, findings = self._read(item, past)
            if candidate is not None and not findings:
                broken = violations(candidate.source, self._space, wishes)
                findings = [*faults(candidate, self._space, known), *(f"It {text}. Change that." for text in broken)]
            if candidate is None or findings:
                turned_back.append(TurnedBack(place, one_line(item.claim, LONGEST_CLAIM), tuple(findings), candidate))
            else:
                good.append(candidate)
                known.append(Past(-1, candidate))
        return Sorted(tuple(good), tuple(turned_back))

    def _read(self, item: Suggestion, past: Sequence[Past]) -> tuple[Candidate | None, list[str]]:
        """The candidate, if there is one, and what is wrong with how it was said."""
        findings = []
        parent = _parent(item.parent, past)
        if item.parent.strip() and parent is None:
            wrong = one_line(item.parent, LONGEST_CLAIM)
            findings.append(f'There is no candidate "{wrong}". Give its number, or "" for no parent.')
        if bool(item.source.strip()) == bool(item.edits):
            both = item.edits and item.source.strip()
            found = "both a source and edits" if both else "neither a source nor edits"
            return None, [*findings, f"There is {found}. Give one of them, and leave the other empty."]
        parents = (parent.candidate.id,) if parent is not None else ()
        claim, rationale = one_line(item.claim, LONGEST_CLAIM), one_line(_rationale(item), LONGEST_RATIONALE)
        said = {"author": AUTHOR, "claim": claim, "parents": parents, "rationale": rationale}
        if item.source.strip():
            return Candidate(source=item.source.strip() + "\n", **said), findings  # type: ignore[arg-type]  # as declared
        try:
            return replace(self._edited(item.edits, parent), **said), findings  # type: ignore[arg-type]  # as declared
        except RequestError as error:
            return None, [*findings, one_line(f"{error.message} {error.remedy}", LONGEST_FINDING)]

    def _edited(self, edits: Sequence[Edit], parent: Past | None) -> Candidate:
        """The parent with other genes."""
        if parent is None or parent.candidate.genome is None:
            found = "no parent" if parent is None else f"number {parent.number}, which has no genes"
            raise RequestError(f"Edits need a parent that has genes, found {found}.", "Give a source instead.")
        genes: Genes = dict(parent.candidate.genome)
        changes = {edit.gene: self._value(edit) for edit in edits}
        changed = self._genes.changed(genes, changes)
        for name, value in changes.items():
            if changed.get(name) != value:
                found = f"The gene '{name}' has no effect beside the others."
                raise RequestError(found, "Edit what it depends on as well.")
        return candidate_of(from_parameters(changed, self._space), self._space)

    def _value(self, edit: Edit) -> Value:
        """The value of a gene that a text means."""
        values = self._genes.values.get(edit.gene)
        if values is None:
            hint = did_you_mean(edit.gene, self._genes.values)
            raise RequestError(f"There is no gene '{edit.gene}'{hint}", "See the genes of the problem.")
        wanted = edit.value.strip().lower()
        found = next((value for value in values if str(value).lower() == wanted), None)
        if found is None:
            listed = ", ".join(str(value) for value in values)
            raise RequestError(f"The gene '{edit.gene}' cannot be '{edit.value}'.", f"It may be: {listed}.")
        return found


def faults(candidate: Candidate, space: SearchSpace, past: Sequence[Past]) -> tuple[str, ...]:
    """Why a candidate should not be trained: all findings of the static check; or that its equations were tried.

    What was rendered from genes is right by construction.
    """
    findings = () if candidate.genome is not None else tuple(str(finding) for finding in check(candidate.source, space))
    if findings:
        return findings
    same = _same(candidate, past)
    if same is None:
        return ()
    where = "another proposal of this reply" if same.number < 0 else f"number {same.number} ({same.candidate.claim})"
    why = f", which was turned back: {one_line(same.refusal, LONGEST_CLAIM)}" if same.refusal else ""
    return (f"These are the equations of {where}, up to names and order{why}. Propose something else.",)


def _same(candidate: Candidate, past: Sequence[Past]) -> Past | None:
    """The first of the past that computes the same."""
    found = next((item for item in past if item.candidate.id == candidate.id), None)
    if found is not None:
        return found
    return next((item for item in past if are_the_same(candidate.source, item.candidate.source)), None)


def _parent(text: str, past: Sequence[Past]) -> Past | None:
    """The candidate that is meant by a number or an id."""
    wanted = text.strip().lstrip("#")
    for item in past:
        if wanted and wanted in (str(item.number), item.candidate.id):
            return item
    return None


def _rationale(item: Suggestion) -> str:
    """Hypothesis and expectations as one text."""
    expected = "; ".join(f"{entry.state}: {entry.effect}" for entry in item.expected)
    parts = [item.hypothesis, f"Expected: {expected}." if expected else ""]
    return " ".join(part for part in parts if part)
