"""What a person may ask of a run, the same for a form of a page and for a document of the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from archsearch.settings import Approval

MOST_REASON = 2000
Reason = Annotated[str, StringConstraints(max_length=MOST_REASON)]
Trials = Annotated[int, Field(ge=1, le=1_000_000)]
Minutes = Annotated[float, Field(gt=0, le=525_600, allow_inf_nan=False)]
Workers = Annotated[int, Field(ge=1, le=256)]
M = TypeVar("M", bound=BaseModel)


class Asked(BaseModel):
    """Common to all requests: frozen, unknown names refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Start(Asked):
    """A new search."""

    space: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    """One of `GET /api/spaces`."""
    trials: Trials = 40
    minutes: Minutes | None = None
    seed: Annotated[int, Field(ge=0, le=2**31)] = 0
    workers: Workers = 2
    proposer: Literal["auto", "grammar", "llm", "both"] = "auto"
    review: Literal["never", "each", "batch"] = "each"
    approve: Annotated[tuple[Approval, ...], Field(max_length=8)] = ()
    """What needs no person, e.g. `grammar` or `cheap:60s`."""


class GoOn(Asked):
    """Go on with a search; what is not given stays as it was."""

    trials: Trials | None = None
    minutes: Minutes | None = None
    workers: Workers | None = None


class Control(Asked):
    """What the search of a run shall do."""

    control: Literal["run", "pause", "stop"]


class Choice(Asked):
    """A decision on a proposal."""

    approved: bool
    reason: Reason = ""
    like: bool = False
    """Whether all of its kind are approved from now on."""


class Edit(Asked):
    """A changed source; it becomes a child of the proposal, with the person as its author."""

    source: Annotated[str, StringConstraints(min_length=1, max_length=200_000)]
    reason: Reason = ""


def from_form(kind: type[M], form: Mapping[str, str]) -> M:
    """A request out of the fields of a form; an empty field is one that was not filled in."""
    filled: dict[str, Any] = {name: value for name, value in form.items() if value.strip() and name != "form"}
    if isinstance(filled.get("approve"), str):
        filled["approve"] = tuple(filled["approve"].replace(",", " ").split())
    return kind.model_validate(filled)
