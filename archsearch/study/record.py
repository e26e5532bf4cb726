"""The records of a run: `run.json`, and the lines of `proposals.jsonl`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from archsearch.candidate.candidate import Candidate
from archsearch.errors import RunError
from archsearch.settings import Budget, RunSettings

RECORD_VERSION = 1

Genes = dict[str, str | float | int | bool]
Baseline = Literal["physics", "net", "physics_plus_net"]
T = TypeVar("T", bound=BaseModel)


class Record(BaseModel):
    """Common to all records: frozen, unknown keys refused, with a version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = RECORD_VERSION


class ProblemRecord(BaseModel):
    """Which problem a run is about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    fingerprint: str


class LaterBudget(BaseModel):
    """What a run may use in all since somebody resumed it with another budget; `at` is the UTC time, ISO 8601."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: str
    budget: Budget


class RunRecord(Record):
    """`run.json`: everything that a run depends on, and what it was made with.

    Attributes:
        created: UTC time, ISO 8601.
        space_request: what the person asked for: the name or the path of a search space.
        settings: what the run was started with, its first budget included.
        later_budgets: what was asked for when it was resumed, in order; empty in records of earlier versions.
        seeds: the seed of each thing that draws random numbers.
        packages: versions of the packages that results depend on.
        revision: git revision of archsearch, if it runs from a checkout.
        baselines: the ids of the three baselines; the physics ones are missing where the space has no terms.
        sanity: errors of predictors that need no model, e.g. `no_change`.
        sandbox: the walls that candidates ran behind when the run began; empty in records of earlier versions.
    """

    created: str
    space_request: str
    problem: ProblemRecord
    settings: RunSettings
    seeds: dict[str, int]
    packages: dict[str, str]
    python: str
    platform: str
    revision: str | None
    baselines: dict[Baseline, str]
    sanity: dict[str, float] = {}
    sandbox: str = ""
    later_budgets: tuple[LaterBudget, ...] = ()

    @property
    def budget(self) -> Budget:
        """What was asked for last."""
        return self.later_budgets[-1].budget if self.later_budgets else self.settings.budget

    def trials(self, evaluated: int) -> int:
        """How many candidates the run may have, of which so many are there.

        Those that are there count in any case: an earlier version wrote no later budget down, and a person may ask for
        less than there is.
        """
        return max(self.budget.trials, evaluated)


NOBODY = "nobody"
PROGRAMS = frozenset({NOBODY, "policy", "check", "search", "wishes"})
"""Who decides where no person does: a run without review, its policy, the check of what an LLM wrote, the search that
refuses what it had before, and the bans and pins of persons."""


class Decision(BaseModel):
    """What became of a proposal before it was evaluated: who let it pass or refused it, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    approved: bool
    by: str
    reason: str = ""

    @property
    def is_by_person(self) -> bool:
        """Whether a person decided."""
        return self.by not in PROGRAMS


class Wished(BaseModel):
    """Common to what a person wants of a search."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Hint(Wished):
    """Something to know or to try, in words."""

    kind: Literal["hint"] = "hint"
    text: str = Field(min_length=1)


class Ban(Wished):
    """A term, given or of the library, or a slot that no further proposal may use."""

    kind: Literal["ban"] = "ban"
    name: str


class Pin(Wished):
    """A term or a slot that every further proposal must use."""

    kind: Literal["pin"] = "pin"
    name: str


class Release(Wished):
    """A ban or a pin that is taken back."""

    kind: Literal["release"] = "release"
    name: str


class Preference(Wished):
    """Of two evaluated candidates, told by their numbers, the one that the person would rather have."""

    kind: Literal["preference"] = "preference"
    better: int = Field(ge=0)
    worse: int = Field(ge=0)
    reason: str = ""


class Allow(Wished):
    """A kind of proposals, see `review.kinds`, that needs no person any more."""

    kind: Literal["allow"] = "allow"
    like: str


Wish = Annotated[Hint | Ban | Pin | Release | Preference | Allow, Field(discriminator="kind")]


class Line(Record):
    """Common to the lines of `proposals.jsonl`; `seconds` is the search time that the run had used."""

    number: int = Field(ge=0)
    at: str
    seconds: float = Field(ge=0)


class ProposedLine(Line):
    """A candidate was proposed."""

    event: Literal["proposed"] = "proposed"
    candidate: str
    author: str
    claim: str
    parents: tuple[str, ...]
    genome: Genes | None
    source: str
    rationale: str = ""

    @classmethod
    def of(cls, candidate: Candidate, number: int, at: str, seconds: float) -> ProposedLine:
        """The line that remembers a candidate."""
        return cls(
            number=number,
            at=at,
            seconds=seconds,
            candidate=candidate.id,
            author=candidate.author,
            claim=candidate.claim,
            parents=candidate.parents,
            genome=candidate.genome,
            source=candidate.source,
            rationale=candidate.rationale,
        )

    def to_candidate(self) -> Candidate:
        """The candidate as it was proposed."""
        return Candidate(self.source, self.author, self.claim, self.parents, self.genome, self.rationale)


class DecidedLine(Line):
    """Somebody decided on a proposal."""

    event: Literal["decided"] = "decided"
    decision: Decision


class EvaluatedLine(Line):
    """A candidate was evaluated; the evaluation itself is in its folder."""

    event: Literal["evaluated"] = "evaluated"
    candidate: str
    status: Literal["ok", "failed"]
    nrmse: float | None


class WishedLine(Line):
    """A person wanted something of the search; `number` is that of the first proposal that it can matter for."""

    event: Literal["wished"] = "wished"
    wish: Wish
    by: str


AnyLine = Annotated[ProposedLine | DecidedLine | EvaluatedLine | WishedLine, Field(discriminator="event")]
_LINES: TypeAdapter[AnyLine] = TypeAdapter(AnyLine)


def read_record(path: Path, kind: type[T], remedy: str) -> T:
    """Read a JSON record; `remedy` says what to do if that fails.

    Raises:
        RunError: the file is missing, damaged, or of a version that this software does not read.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror}).", remedy) from None
    _check(text, str(path), kind.model_fields["version"].default, remedy)
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise RunError(f"{path}: damaged: {_first_finding(error)}.", remedy) from None


def read_line(text: bytes, where: str) -> AnyLine:
    """Read one line of `proposals.jsonl`; `where` names file and line in messages."""
    remedy = "Delete this line: what it said is taken from the candidates' folders."
    _check(text, where, RECORD_VERSION, remedy)
    try:
        return _LINES.validate_json(text)
    except ValidationError as error:
        raise RunError(f"{where}: damaged: {_first_finding(error)}.", remedy) from None


def _check(text: bytes, where: str, version: int, remedy: str) -> None:
    """Refuse what is not a JSON object of this version."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise RunError(f"{where}: expected JSON, found something else ({error}).", remedy) from None
    if not isinstance(data, dict):
        raise RunError(f"{where}: expected a JSON object, found {type(data).__name__}.", remedy)
    found = data.get("version")
    if found != version or isinstance(found, bool):
        was = "none" if found is None else repr(found)
        advice = "Read this run with the archsearch that wrote it; `packages` in its run.json says which that was."
        raise RunError(f"{where}: expected record version {version}, found {was}.", advice)


def _first_finding(error: ValidationError) -> str:
    finding = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in finding["loc"]) or "the record"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{place}: {finding['msg'][0].lower()}{finding['msg'][1:]}{more}"
