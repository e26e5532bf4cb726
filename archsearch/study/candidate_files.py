"""The folder of one candidate, `candidates/0007-1c9e/`: reading and writing what is in it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from archsearch.candidate.candidate import Candidate, content_id
from archsearch.candidate.outcome import Evaluation, Score
from archsearch.errors import RunError
from archsearch.problem.npz import NpzError, read_npz
from archsearch.study.files import write_file
from archsearch.study.record import Record, read_record

if TYPE_CHECKING:
    from archsearch.evaluation import Outcome

SOURCE = "candidate.py"
EVALUATION = "evaluation.json"
WEIGHTS = "weights.safetensors"
PREDICTIONS = "predictions.npz"
LOG = "fit.log"
TEST_SCORE = "test.json"

Arrays = dict[str, npt.NDArray[np.float64]]


class SealedScore(Record):
    """`test.json`: the test score of a candidate, computed once."""

    score: Score
    sandbox: str = ""
    """The walls that its predictions were made behind; empty in files from before that was written down."""


def folder_name(number: int, candidate_id: str) -> str:
    """The name of a candidate's folder; the number alone tells candidates of a run apart."""
    return f"{number:04d}-{candidate_id[:4]}"


def outcome_files(candidate: Candidate, outcome: Outcome) -> dict[str, bytes]:
    """The files of an evaluated candidate by name; what a failure does not have is left out."""
    files = {
        SOURCE: candidate.source.encode(),
        EVALUATION: outcome.evaluation.model_dump_json(indent=1).encode() + b"\n",
        LOG: outcome.log.encode(errors="replace"),
    }
    if outcome.weights:
        files[WEIGHTS] = outcome.weights
    if outcome.predictions:
        files[PREDICTIONS] = _packed(outcome.predictions)
    return files


def read_evaluation(folder: Path) -> Evaluation:
    """Read the evaluation in a candidate's folder.

    Raises:
        RunError: it is missing, damaged, or does not belong in this folder.
    """
    evaluation = read_record(folder / EVALUATION, Evaluation, again(folder))
    if folder.name != folder_name(evaluation.number, evaluation.candidate):
        found = f"that of candidate {evaluation.candidate}, number {evaluation.number}"
        raise RunError(f"{folder}: expected the evaluation of another candidate, found {found}.", again(folder))
    return evaluation


def read_source(folder: Path, candidate_id: str) -> str:
    """Read the source that was evaluated.

    Raises:
        RunError: it is missing, or was edited since.
    """
    source = read_bytes(folder, SOURCE).decode(errors="replace")
    if content_id(source) != candidate_id:
        message = f"{folder / SOURCE}: expected the source that was evaluated ({candidate_id}), found another."
        raise RunError(message, again(folder))
    return source


def read_bytes(folder: Path, name: str) -> bytes:
    """Read one file of a candidate's folder."""
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise RunError(f"{folder / name}: cannot be read ({error.strerror}).", again(folder)) from None


def read_predictions(folder: Path) -> Arrays:
    """Read the predicted trajectories.

    Raises:
        RunError: the file is missing or damaged.
    """
    try:
        return read_npz(read_bytes(folder, PREDICTIONS))
    except NpzError as error:
        raise RunError(f"{folder / PREDICTIONS}: damaged: expected arrays, {error}.", again(folder)) from None


def write_test_score(folder: Path, sealed: SealedScore) -> None:
    """Remember a candidate's test score."""
    write_file(folder / TEST_SCORE, sealed.model_dump_json(indent=1).encode() + b"\n")


def read_test_score(folder: Path) -> SealedScore:
    """Read a candidate's test score."""
    remedy = f"Delete {TEST_SCORE} there: the score is then computed again."
    return read_record(folder / TEST_SCORE, SealedScore, remedy)


def again(folder: Path) -> str:
    """The remedy for a damaged folder."""
    return f"Delete the folder {folder.name} and `archsearch resume` the run: this candidate is then evaluated again."


def _packed(arrays: Mapping[str, npt.NDArray[np.float64]]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **dict(arrays))  # type: ignore[arg-type]  # numpy's stub mixes up **arrays and flags
    return buffer.getvalue()
