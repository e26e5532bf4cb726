"""A command line as a test types it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from archsearch.cli.main import app
from archsearch.settings import FitSettings, RunSettings

TRIALS = 4
QUICK = RunSettings(
    workers=2, fit=FitSettings(segment_steps=2, least_squares_steps=3, matching_steps=10, rollout_steps=2)
)


@dataclass(frozen=True)
class Told:
    """What a command answered."""

    code: int
    out: str
    err: str


def ask(*arguments: str | Path) -> Told:
    """Runs a command line in this process, through the entry point's own error boundary."""
    result = CliRunner().invoke(app, [str(item) for item in arguments], env={"COLUMNS": "200"})
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return Told(result.exit_code, result.stdout, result.stderr)
