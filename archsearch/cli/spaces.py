"""`archsearch spaces`: the bundled search spaces."""

from __future__ import annotations

import typer


def spaces() -> None:
    """List the search spaces that come with archsearch, and your own."""
    from archsearch import bundled
    from archsearch.cli.output import console, plain_table
    from archsearch.problem.toml import read_space

    table = plain_table("name", "about", "states", "suspect terms", "slots")
    for name, folder in sorted(bundled.spaces().items()):
        space = read_space(folder / "space.toml")
        suspect = [term.name for term in space.terms if term.trust == "suspect"]
        slots = [slot.name for slot in space.slots]
        table.add_row(name, space.problem.title, *(", ".join(names) for names in (space.state_names, suspect, slots)))
    console().print(table)
    typer.echo(
        "\nLook at one: archsearch check NAME · search it: archsearch run NAME · start your own: archsearch new DIR"
    )
