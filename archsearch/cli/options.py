"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
LlmModel = Annotated[
    str | None, typer.Option("--llm-model", metavar="NAME", help="The LLM to ask. Default: ARCHSEARCH_LLM_MODEL.")
]
LlmBaseUrl = Annotated[
    str | None, typer.Option("--llm-base-url", metavar="URL", help="Where it is asked. Default: OPENAI_BASE_URL.")
]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on standard output and nothing else there.")
]
