"""Runs of earlier versions, which knew fewer fields, have a report."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_report_html import Page

from archsearch.problem.problem import Problem
from archsearch.report.html import report_html
from archsearch.study.store import Study

NEWER = ("sandbox", "constants", "limits", "hidden_states")
NEWER_SETTINGS = ("approve", "anonymise", "replay", "llm")


def rewritten(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def older_evaluation(document: dict[str, Any]) -> None:
    for name in NEWER:
        document.pop(name, None)
    for score in (document["train"], document["validation"]):
        for name in ("squares", "counts", "constraints"):
            (score or {}).pop(name, None)


def older_run(document: dict[str, Any]) -> None:
    for name in ("sandbox", "later_budgets"):
        document.pop(name)
    for name in NEWER_SETTINGS:
        document["settings"].pop(name, None)


@pytest.fixture
def old(study: Study, tmp_path: Path) -> Study:
    folder = Path(shutil.copytree(study.folder, tmp_path / "a-run"))
    rewritten(folder / "run.json", older_run)
    for path in folder.glob("candidates/*/evaluation.json"):
        rewritten(path, older_evaluation)
    return Study.open(folder)


def test_an_old_run_has_a_report(old: Study, problem: Problem) -> None:
    text = Page(report_html(old, problem)).text
    assert "A net (4) in the place of conversion sees hare and lynx." in text
    assert "growth_rate" in text


def test_a_run_whose_list_of_proposals_is_lost_has_a_report(old: Study, problem: Problem) -> None:
    (old.folder / "proposals.jsonl").unlink()
    text = Page(report_html(old, problem)).text
    assert "not decided yet" not in text
    assert "for a decision" not in text
