"""Arguments and options that several commands share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import typer

from archsearch.errors import RequestError
from archsearch.settings import APPROVAL

RUNS = Path("runs")

Space = Annotated[
    str, typer.Argument(metavar="SPACE", help="A bundled name (see `archsearch spaces`), a folder, or a space.toml.")
]
Run = Annotated[
    str, typer.Argument(metavar="RUN", help="A run: its folder, its id, the beginning of its id, or `last`.")
]
RunsDir = Annotated[Path, typer.Option(metavar="DIR", help="Where runs are looked up.")]
Candidate = Annotated[
    str | None, typer.Argument(metavar="CANDIDATE", help="Its number, or the beginning of its id. Default: the best.")
]
AcceptUnsandboxed = Annotated[
    bool,
    typer.Option(
        "--i-accept-unsandboxed",
        help="Run candidates even where this machine has no walls for them; marks every result.",
    ),
]
ReviewMode = Literal["never", "each", "batch"]
REVIEW = "Whether a person decides on proposals: on each as it comes, or on several at a time."
Approve = Annotated[
    list[str] | None,
    typer.Option(
        "--approve",
        metavar="POLICY",
        help="What needs no person: grammar, llm, white-box (no nets), cheap:60s. May be given more than once.",
    ),
]
Wait = Annotated[
    bool | None,
    typer.Option(
        "--wait/--no-wait",
        help="When only a person can go on: wait for one, or stop resumably.",
        show_default="wait in a terminal",
    ),
]
LlmModel = Annotated[
    str | None, typer.Option("--llm-model", metavar="NAME", help="The LLM to ask. Default: ARCHSEARCH_LLM_MODEL.")
]
LlmBaseUrl = Annotated[
    str | None, typer.Option("--llm-base-url", metavar="URL", help="Where it is asked. Default: OPENAI_BASE_URL.")
]


def checked_policies(given: list[str]) -> tuple[str, ...]:
    """What --approve was given.

    Raises:
        RequestError: one of them is no policy.
    """
    for policy in given:
        if not re.fullmatch(APPROVAL, policy):
            raise RequestError(f"--approve {policy}: expected grammar, llm, white-box or e.g. cheap:60s, found that.")
    return tuple(given)


Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on standard output and nothing else there.")
]
