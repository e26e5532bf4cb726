"""The page on what a run leaves names every file and every key of its records, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from archsearch.candidate.outcome import Evaluation, Failure, FittedNet, FittedParameter, FittedTerm, Record, Score
from archsearch.study import candidate_files, control, files, running, store, writer
from archsearch.study.record import RunRecord

PAGE = (Path(__file__).parents[2] / "docs" / "files.md").read_text(encoding="utf-8")
RECORDS = {"`run.json`": RunRecord, "`evaluation.json`": Evaluation, "Failure": Failure, "Score": Score}
RECORDS |= {"Parameter": FittedParameter, "Term": FittedTerm, "Net": FittedNet}


def keys(heading: str) -> list[str]:
    """The keys in the table below a heading."""
    found = re.search(rf"^##+ {re.escape(heading)}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, f"no heading {heading}"
    return re.findall(r"^\| `(\w+)` \|", found[1], re.MULTILINE)


@pytest.mark.parametrize("heading", RECORDS)
def test_every_key_of_a_record_is_explained_and_no_other(heading: str) -> None:
    model: type[Record] = RECORDS[heading]
    assert sorted(keys(heading)) == sorted(model.model_fields)


def test_every_file_of_a_run_is_named() -> None:
    tree = PAGE.split("```")[1]
    named = set(re.findall(r"^ +([\w.]+)/?\S* ", tree, re.MULTILINE))
    own = {candidate_files.SOURCE, candidate_files.EVALUATION, candidate_files.WEIGHTS, candidate_files.PREDICTIONS}
    own |= {candidate_files.LOG, candidate_files.TEST_SCORE, files.RUN, store.SPACE, store.LOCK}
    own |= {
        writer.PROPOSALS,
        writer.JOURNAL,
        writer.CANDIDATES,
        files.LLM,
        control.CONTROL,
        running.RUNNING,
        "report.html",
    }
    assert named == own
