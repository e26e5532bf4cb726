"""A fitted model as a Markdown file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from archsearch.candidate.markdown import model_markdown, plain
from archsearch.candidate.outcome import Evaluation
from archsearch.errors import RequestError
from archsearch.problem.problem import Problem

if TYPE_CHECKING:
    from archsearch.study.store import Study


def export_markdown(study: Study, problem: Problem, evaluation: Evaluation, target: Path) -> None:
    """Write the equations and parameters of a model to a file that readers of Markdown typeset.

    Raises:
        RequestError: the candidate failed, so there is nothing to write.
    """
    target.write_text(markdown_file(problem, evaluation, study.source(evaluation.number)), encoding="utf-8")


def markdown_file(problem: Problem, evaluation: Evaluation, source: str) -> str:
    """The text of the file."""
    if evaluation.validation is None:
        raise RequestError(f"Number {evaluation.number} failed, so it has no fitted equations.", "Choose another one.")
    title = plain(problem.space.problem.title)
    told = f"Model number {evaluation.number} ({evaluation.candidate}): {plain(evaluation.claim)}".rstrip(": ")
    error = f"Its error (nrmse) on the held-out data is {evaluation.validation.nrmse:.4g}."
    return f"# {title}\n\n{told}\n\n{error}\n\n{model_markdown(evaluation, source, problem.space)}"
