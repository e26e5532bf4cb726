"""What a search is about to do, in a few lines, so that a wrong space is noticed before it is searched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from archsearch.cli.output import console

if TYPE_CHECKING:
    from archsearch.problem.problem import Part, Problem
    from archsearch.sandbox.tiers import Tier
    from archsearch.study.store import Study


NO_WALLS = "  candidates     RUN WITHOUT WALLS, as was accepted: they can do whatever you can do"


def tell_what_is_asked(problem: Problem, study: Study, tier: Tier) -> None:
    """Prints problem, split, what may be changed, what was assumed, and the walls that candidates run behind."""
    space = problem.space
    suspect = [term.name for term in space.terms if term.trust == "suspect"]
    out = console()
    out.print(f"{space.problem.title} ({problem.name}), run {study.id}")
    out.print(f"  states         {_listed(space.state_names)}")
    out.print(f"  data           {'; '.join(_part(name, part) for name, part in existing_parts(problem))}")
    out.print(f"  suspect terms  {_listed(suspect)}")
    out.print(f"  slots          {_listed([slot.name for slot in space.slots])}")
    tell_assumptions(problem)
    out.print(f"  candidates     run behind walls: {tier.value}" if tier != "none" else NO_WALLS)
    out.print()


def tell_assumptions(problem: Problem) -> None:
    """Prints what the space file left open and how it was filled in."""
    from archsearch.problem.loading import assumptions

    for line in assumptions(problem.space):
        console().print(f"  assumed        {line}")


def existing_parts(problem: Problem) -> Iterator[tuple[str, Part]]:
    """The parts of the data that there are, with their names."""
    parts = {"train": problem.train, "validation": problem.validation, "test": problem.test}
    yield from ((name, part) for name, part in parts.items() if part is not None)


def _part(name: str, part: Part) -> str:
    noun = "trajectory" if len(part.trajectories) == 1 else "trajectories"
    return f"{name} {int(part.scored.sum())} samples of {len(part.trajectories)} {noun}"


def _listed(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(names) or "none"
