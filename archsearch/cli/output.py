"""What goes to standard output: tables and text for people, one JSON document for programs."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from archsearch.plain_text import is_seen

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

LOG_WIDTH = 120


def console() -> Console:
    """A console that keeps names in brackets as they are, and has room where no terminal says how much."""
    from rich.console import Console

    known = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if known else LOG_WIDTH, highlight=False, markup=False)


def never_fail_on_letters() -> None:
    """Where the encoding of standard output lacks a letter, print a question mark instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def visible(text: str) -> str:
    """Text of strangers with what cannot be seen, or would steer the terminal, written out."""
    return "".join(letter if is_seen(letter) or letter in "\n\t" else _written_out(letter) for letter in text)


def _written_out(letter: str) -> str:
    return letter.encode("unicode_escape").decode()


def plain_table(name: str, *headings: str) -> Table:
    """A table without lines, whose first column is never broken."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column(name, no_wrap=True)
    for heading in headings:
        table.add_column(heading)
    return table


def print_json(document: Any) -> None:
    """Prints a document of records, mappings and lists; a number that is not finite becomes null."""
    from pydantic_core import to_json

    typer.echo(to_json(_plain(document), indent=2, inf_nan_mode="null").decode())


def _plain(value: Any) -> Any:
    """The value without records, which would write what is not finite in words of their own."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value
