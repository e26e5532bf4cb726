"""`archsearch new`: a commented space file to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Target = Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make or to write into.")]
From = Annotated[str | None, typer.Option("--from", metavar="SPACE", help="A search space to copy from.")]
Data = Annotated[Path | None, typer.Option(metavar="FILE", help="Your measurements: CSV, Parquet or NPZ.")]


def new(directory: Target, from_space: From = None, data: Data = None) -> None:
    """Write a commented space.toml to start from: from a search space, or from nothing but your data."""
    from archsearch.problem.starting import new_space

    assumed = new_space(directory, from_space, data)
    typer.echo(f"wrote {directory / 'space.toml'}")
    for line in assumed:
        typer.echo(f"  assumed: {line}")
    typer.echo(f"\nCheck what was read: archsearch check {directory}\nThen search: archsearch run {directory}")
