"""`archsearch check`: what was read from a space and its data, as a table and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archsearch.cli.options import Space

if TYPE_CHECKING:
    from rich.table import Table

    from archsearch.problem.problem import Problem

Picture = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="The picture: PNG, SVG or PDF.", show_default="NAME_data.png"),
]


def check(space: Space, output: Picture = None) -> None:
    """Read and validate a space and its data, and show what is there. Trains nothing."""
    from archsearch.cli.asked import tell_assumptions
    from archsearch.cli.files import picture, save
    from archsearch.cli.output import console
    from archsearch.problem.figures import draw_data
    from archsearch.problem.loading import load_problem

    problem = load_problem(space)
    target = picture(output or Path(f"{problem.name}_data.png"))
    out = console()
    out.print(f"{problem.space.problem.title} ({problem.name})\n")
    for table in (
        _states(problem),
        _axes(problem),
        _inputs(problem),
        _parts(problem),
        _parameters(problem),
        _proposals(problem),
    ):
        if table.row_count:
            out.print(table)
            out.print()
    tell_assumptions(problem)
    save(draw_data(problem), target)
    out.print(f"The data as a picture: {target}\nNext: archsearch run {space}")


def _states(problem: Problem) -> Table:
    """One line per state: unit, range over all parts, missing observations."""
    import numpy as np

    from archsearch.cli.asked import existing_parts
    from archsearch.cli.output import plain_table

    table = plain_table("state", "unit", "scale", "observations", "missing", "range")
    for column, state in enumerate(problem.space.states):
        values = np.concatenate(
            [part.trajectories.states[..., column][part.scored] for _, part in existing_parts(problem)]
        )
        seen = values[np.isfinite(values)]
        span = f"{seen.min():.4g} to {seen.max():.4g}" if seen.size else "not observed"
        missing = str(values.size - seen.size) if state.observed else "-"
        table.add_row(state.name, state.unit, state.scale, str(seen.size), missing, span)
    return table


def _axes(problem: Problem) -> Table:
    """One line per axis of the grid; none if states are numbers."""
    from archsearch.cli.output import plain_table

    space = problem.space
    table = plain_table("axis", "unit", "points", "spacing", "boundary")
    for axis, points in zip(space.axes, problem.train.trajectories.grid, strict=True):
        table.add_row(axis.name, axis.unit, str(points), f"{axis.spacing:g}", str(space.grid.boundary))
    return table


def _inputs(problem: Problem) -> Table:
    """One line per input: unit, range over all parts."""
    import numpy as np

    from archsearch.cli.asked import existing_parts
    from archsearch.cli.output import plain_table

    table = plain_table("input", "unit", "range")
    for column, item in enumerate(problem.space.inputs):
        values = np.concatenate(
            [part.trajectories.inputs[..., column][part.trajectories.valid] for _, part in existing_parts(problem)]
        )
        table.add_row(item.name, item.unit, f"{values.min():.4g} to {values.max():.4g}")
    return table


def _parameters(problem: Problem) -> Table:
    """One line per parameter that was written down: where its fit starts, and what it is compared with."""
    from archsearch.cli.output import plain_table

    table = plain_table("parameter", "unit", "start", "bounds", "reference")
    for item in problem.space.parameters if problem.space.terms else ():
        low, high, reference = (
            "-" if value is None else f"{value:.4g}" for value in (item.low, item.high, item.reference)
        )
        bounds = "fixed" if item.fixed else f"{low} to {high}"
        table.add_row(item.name, item.unit, f"{item.value:.4g}", bounds, reference)
    return table


def _parts(problem: Problem) -> Table:
    """One line per part of the data: how much, and what a rollout of it starts from."""
    from archsearch.cli.asked import existing_parts
    from archsearch.cli.output import plain_table
    from archsearch.problem.defaults import STARTS

    table = plain_table("part", "trajectories", "samples scored", "time", "a rollout starts from")
    for name, part in existing_parts(problem):
        times = part.trajectories.times[part.scored]
        start = "fitted initial states" if name == "train" else STARTS[part.start]
        unit = problem.space.problem.time_unit
        span = f"{times.min():g} to {times.max():g}" + (f" {unit}" if unit != "1" else "")
        table.add_row(name, str(len(part.trajectories)), str(int(part.scored.sum())), span, start)
    return table


def _proposals(problem: Problem) -> Table:
    """One line per thing that a search may keep, change, add or fill."""
    from archsearch.cli.output import plain_table

    space = problem.space
    table = plain_table("may be proposed", "name", "what")
    for term in space.terms:
        table.add_row(f"{term.trust} term", term.name, term.expression)
    for extra in space.library:
        table.add_row("library term", extra.name, extra.expression)
    for slot in space.slots:
        place = slot.equation or slot.term or slot.parameter or ""
        table.add_row("slot", slot.name, f"{' or '.join(slot.roles)} on {place}, sees {', '.join(slot.inputs)}")
    return table
