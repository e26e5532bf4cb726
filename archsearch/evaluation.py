"""Evaluate a candidate in three places: fit and predict in confined processes, score here, where nobody can lie.

Fit sees training data only. Predict sees initial observations, times and inputs of held-out rollouts and no targets.
What a candidate prints, patches or claims changes nothing: the score is computed from its predictions, the number of
its weights is counted from its arrays, and its diagnostics are recorded as what it said.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.check import check
from archsearch.candidate.outcome import (
    Evaluation,
    Failure,
    FittedLimit,
    FittedNet,
    FittedParameter,
    FittedState,
    FittedTerm,
    Score,
)
from archsearch.errors import NothingFoundError, RequestError
from archsearch.problem.problem import Part, PartName, Problem
from archsearch.problem.trajectories import Floats
from archsearch.sandbox.sandbox import Report, Sandbox, printable, read_capped
from archsearch.settings import RunSettings
from archsearch.training import jobs
from archsearch.training.score import no_change as held_state
from archsearch.training.score import score
from archsearch.training.task import Task, samples_given

DENSE_POINTS = 200
"""About how many points a predicted trajectory has for drawing."""
CLAIMS_KB = 256
MEANINGLESS = 1e6
"""An nrmse from which on a rollout is called not integrable."""

Arrays = dict[str, Floats]


class FailedError(Exception):
    """A candidate failed; carries the failure and what it printed. Leaves this room only by `Evaluator.predict`."""

    def __init__(self, failure: Failure, log: str = "") -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.log = log


@dataclass(frozen=True)
class Outcome:
    """What an evaluation leaves.

    Attributes:
        evaluation: the record.
        weights: safetensors, empty if it failed.
        predictions: `<part>.times`, `<part>.states`, `<part>.dense_times`, `<part>.dense_states` for the parts `train`
            and `validation`; empty if it failed.
        log: what the candidate printed.
    """

    evaluation: Evaluation
    weights: bytes
    predictions: Arrays
    log: str


class Evaluator:
    """Evaluates candidates one after the other; use one per worker.

    Args:
        problem: the data, of which only what is needed is handed on.
        settings: how to fit, and the limits.
    """

    def __init__(self, problem: Problem, settings: RunSettings) -> None:
        self._problem = problem
        self._settings = settings
        self._sandbox = Sandbox(settings.limits)

    def close(self) -> None:
        """End the processes that candidates run in."""
        self._sandbox.close()

    def evaluate(self, candidate: Candidate, number: int) -> Outcome:
        """Check, fit, predict and score a candidate; a failure is an outcome like any other."""
        started = time.monotonic()
        try:
            outcome = self._scored(candidate, number)
        except FailedError as failed:
            outcome = Outcome(Evaluation.of(candidate, number, failed.failure), b"", {}, failed.log)
        self._sandbox.clear()
        seconds = round(time.monotonic() - started, 3)
        return replace(outcome, evaluation=outcome.evaluation.model_copy(update={"seconds": seconds}))

    def predict(self, source: str, weights: bytes, part: Part, seed: int = 0) -> Arrays:
        """Roll out a fitted candidate; `times`, `states`, `dense_times`, `dense_states` and `without.<term>`.

        Args:
            source: the candidate.
            weights: what its fit left.
            part: what to predict; only what a predictor may see of it is handed on.
            seed: of the process; makes no difference to an honest candidate.
        """
        return self._predict(source, weights, part, seed, ())[0]

    def score(self, source: str, weights: bytes, part_name: PartName) -> Score:
        """Predict one part of the data with a fitted candidate, then score it here.

        Raises:
            RequestError: the split has no such part.
            NothingFoundError: the candidate leaves no prediction of it.
        """
        part = self._problem.part(part_name)
        if part is None:
            raise RequestError(
                f"{self._problem.name}: its split seals no {part_name} data.",
                f"Score it on the validation data, or name a {part_name} part in [split] and search anew.",
            )
        try:
            predicted = self.predict(source, weights, part)
        except FailedError as failed:
            failure = failed.failure
            raise NothingFoundError(f"There is no prediction there: {failure.message}.", failure.remedy) from None
        return score(self._problem, part, predicted["states"])

    def _scored(self, candidate: Candidate, number: int) -> Outcome:
        problem = self._problem
        findings = check(candidate.source, problem.space)
        if findings:
            raise FailedError(_check_failure([str(finding) for finding in findings]))
        seed = seed_of(candidate, self._settings.seed)
        weights, claims, log = self._fit(candidate.source, seed)
        arrays = _arrays(weights)
        terms = tuple(name for name in claims.get("terms", ()) if isinstance(name, str))
        train, on_train, said = self._predict(candidate.source, weights, problem.train, seed, terms)
        validation, on_validation, said_too = self._predict(candidate.source, weights, problem.validation, seed, ())
        claims |= {"limits": {"train": on_train, "validation": on_validation}}
        record = Evaluation.of(candidate, number).model_copy(
            update={
                "status": "ok",
                "train": score(problem, problem.train, train["states"]),
                "validation": _finite(score(problem, problem.validation, validation["states"]), log),
                "weights": _count(arrays, "net."),
                **_said_of_itself(problem, claims, arrays, train),
            }
        )
        predictions = {f"{part}.{name}": array for part, found in (("train", train), ("validation", validation))
                       for name, array in found.items() if not name.startswith("without.")}  # fmt: skip
        return Outcome(record, weights, predictions, log + said + said_too)

    def _fit(self, source: str, seed: int) -> tuple[bytes, dict[str, Any], str]:
        """Weights, claims and log of a fit."""
        folder = self._folder(source, self._task(self._problem.train, seed))
        log = self._run("fit_job", folder)
        weights = self._result(folder, jobs.WEIGHTS_FILE, log)
        return weights, _claims(folder, jobs.CLAIMS_FILE), log

    def _predict(
        self, source: str, weights: bytes, part: Part, seed: int, terms: tuple[str, ...]
    ) -> tuple[Arrays, dict[str, Any], str]:
        """Predictions, what was said of limits, and the log."""
        few = self._problem.space.is_field  # frames are large, and are looked at one by one
        dense = 1 if few else max(1, round(DENSE_POINTS / part.trajectories.times.shape[1]))
        task = self._task(part, seed)
        folder = self._folder(source, replace(task, dense=dense, gates=terms))
        (folder / jobs.WEIGHTS_FILE).write_bytes(weights)
        log = self._run("predict_job", folder)
        arrays = _arrays(self._result(folder, jobs.PREDICTIONS_FILE, log))
        limits = _claims(folder, jobs.LIMITS_FILE)
        return _shaped(arrays, part, dense, terms, log), limits, log

    def _task(self, part: Part, seed: int) -> Task:
        space = self._problem.space
        start: str = part.start
        if part is self._problem.train:
            start = "fitted"
        elif start == "warmup" and space.split.by == "time":
            start = "within"
        return Task(space.states, space.input_names, samples_given(part), start, self._settings.fit, seed)

    def _folder(self, source: str, task: Task) -> Path:
        folder = self._sandbox.folder()
        (folder / jobs.SOURCE_FILE).write_text(source)
        task.write(folder)
        return folder

    def _run(self, job: str, folder: Path) -> str:
        """The log of a job that ended well; raises `FailedError` otherwise."""
        report = self._sandbox.run(f"{jobs.__name__}:{job}", folder)
        failure = _failure_of(report, folder, self._settings)
        if failure is not None:
            raise FailedError(failure, report.log)
        return report.log

    def _result(self, folder: Path, name: str, log: str) -> bytes:
        content = read_capped(folder / name, self._settings.limits.file_mb << 20)
        if content is None:
            raise FailedError(_result_failure(f"it left no {name} of at most {self._settings.limits.file_mb} MB"), log)
        return content


def seed_of(candidate: Candidate, seed: int) -> int:
    """The seed of a candidate's own process: the same wherever and whenever it is evaluated in this search."""
    return (int(candidate.id[:8], 16) ^ seed) % (1 << 31)


# ---- failures -------------------------------------------------------------------------------------------------------


def _check_failure(findings: Sequence[str]) -> Failure:
    return Failure(kind="check", message="\n".join(findings), remedy="Mend what is listed; nothing was run.")


def _result_failure(message: str) -> Failure:
    return Failure(
        kind="result", message=message, remedy="Leave results to the trainer; a candidate only states equations."
    )


def _failure_of(report: Report, folder: Path, settings: RunSettings) -> Failure | None:
    """What a report and the job's own words say about why it failed; None if it did not."""
    limits = settings.limits
    if report.killed == "time":
        message = f"it ran longer than {limits.wall_seconds:g} s"
        return Failure(kind="time", message=message, remedy="Use smaller nets or fewer terms, or allow more time.")
    if report.killed == "memory":
        message = f"it used more than {limits.memory_mb} MB of memory"
        return Failure(kind="memory", message=message, remedy="Use smaller nets, or allow more memory.")
    if report.exit is None:
        return Failure(kind="crash", message="the process that ran it died", remedy="See its log.")
    said = _said(folder)
    if said is not None:
        return said
    if report.exit != 0:
        how = f"signal {-report.exit}" if report.exit < 0 else f"exit code {report.exit}"
        return Failure(kind="crash", message=f"its process ended with {how}", remedy="See its log.")
    return None


REMEDIES = {
    "load": "Mend the source; see its log.",
    "fit": "Mend the source; see its log.",
    "memory": "Use smaller nets, or allow more memory.",
    "diverged": "Bound its parameters more tightly, or make its nets smaller.",
}


def _said(folder: Path) -> Failure | None:
    """The failure that a job reported, None if it reported none."""
    content = read_capped(folder / jobs.FAILURE_FILE, CLAIMS_KB << 10)
    if content is None:
        return None
    said = _json(content)
    kind = said.get("kind")
    kind = kind if kind in REMEDIES else "fit"
    return Failure(kind=kind, message=printable(str(said.get("message", ""))), remedy=REMEDIES[kind])


def _finite(found: Score, log: str) -> Score:
    if found.diverged:
        message = f"{found.diverged} of {found.trajectories} held-out rollouts cannot be integrated to their end"
        raise FailedError(Failure(kind="diverged", message=message, remedy=REMEDIES["diverged"]), log)
    return found


# ---- what a job left ------------------------------------------------------------------------------------------------


def _json(content: bytes) -> dict[str, Any]:
    """A JSON object, empty if it is none."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _claims(folder: Path, name: str) -> dict[str, Any]:
    return _json(read_capped(folder / name, CLAIMS_KB << 10) or b"{}")


def _arrays(content: bytes) -> Arrays:
    """Arrays from safetensors that a stranger wrote: real numbers only."""
    try:
        found = load(content)
    except (SafetensorError, KeyError, ValueError) as error:
        raise FailedError(_result_failure(f"its arrays cannot be read: {error}")) from error
    if any(array.dtype != np.float64 for array in found.values()):
        raise FailedError(_result_failure("its arrays are not all float64"))
    return found


def _shaped(arrays: Arrays, part: Part, dense: int, terms: tuple[str, ...], log: str) -> Arrays:
    """The predictions if they have exactly the shapes that were asked for."""
    states = part.trajectories.states.shape
    many, most, *each = states
    points = (most - 1) * dense + 1
    wanted = {"times": (many, most), "states": states}
    wanted |= {"dense_times": (many, points), "dense_states": (many, points, *each)}
    wanted |= {f"without.{term}": states for term in terms}
    found = {name: array.shape for name, array in arrays.items()}
    if found != wanted:
        raise FailedError(_result_failure(f"its predictions have shapes {found}, expected {wanted}"), log)
    return arrays


def _count(arrays: Arrays, prefix: str) -> int:
    """Fitted numbers below a prefix, counted from what is there."""
    fitted = (".weight_", ".bias_")
    return sum(a.size for name, a in arrays.items() if name.startswith(prefix) and any(part in name for part in fitted))


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _said_of_itself(
    problem: Problem, claims: dict[str, Any], arrays: Arrays, train: Arrays
) -> dict[str, dict[str, Any]]:
    """What the candidate's process said of its parameters, hidden states, limits, terms and nets, if it makes sense."""
    try:
        return {
            "parameters": _parameters(problem, claims, arrays),
            "hidden_states": _hidden_states(problem, claims),
            "limits": _limits(claims["limits"]["train"], claims["limits"]["validation"]),
            "terms": _terms(problem, claims, train),
            "nets": _nets(claims, arrays),
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # it may have written anything
        raise FailedError(_result_failure("what it said of its parameters, terms and nets makes no sense")) from error


def _parameters(problem: Problem, claims: dict[str, Any], arrays: Arrays) -> dict[str, FittedParameter]:
    errors, identified = claims.get("std_error", {}), claims.get("identified", {})
    references = {(item.name, item.unit): item.reference for item in problem.space.parameters}
    found = {}
    for name, declared in claims.get("parameters", {}).items():
        value = arrays.get(f"param.{name}")
        if value is None or value.size != 1:
            raise FailedError(_result_failure(f"its parameter {name} has no value"))
        unit = printable(str(declared.get("unit", "1")))
        found[name] = FittedParameter(
            value=float(value),
            unit=unit,
            low=_number(declared.get("low")),
            high=_number(declared.get("high")),
            identified=bool(identified.get(name)),
            std_error=_number(errors.get(name)),
            reference=references.get((name, unit)),
        )
    return found


def _hidden_states(problem: Problem, claims: dict[str, Any]) -> dict[str, FittedState]:
    """What was said of states that are in the space."""
    units = {state.name: state.unit for state in problem.space.states}
    return {
        name: FittedState(
            unit=units[name],
            std_error=_number(said.get("std_error")),
            spread=_number(said.get("spread")),
            identified=bool(said.get("identified")),
        )
        for name, said in claims.get("hidden_states", {}).items()
    }


def _limits(train: dict[str, Any], validation: dict[str, Any]) -> dict[str, FittedLimit]:
    return {
        printable(name): FittedLimit(
            train=_number(train.get(name, {}).get("least")),
            validation=_number(validation.get(name, {}).get("least")),
            size=_number(train.get(name, {}).get("size")),
        )
        for name in {**train, **validation}
    }


def _terms(problem: Problem, claims: dict[str, Any], train: Arrays) -> dict[str, FittedTerm]:
    """What became of every term of the space, and what library terms came in."""
    used, dropped, replaced = claims.get("terms", []), claims.get("dropped", []), claims.get("replaced", {})
    worth = {name: _worth(problem, train.get(f"without.{name}")) for name in used}
    found = {}
    for term in problem.space.terms:
        if term.name in replaced:
            by = str(replaced[term.name])
            found[term.name] = FittedTerm(status="replaced", by=by, ablated_nrmse=worth.get(by))
        elif term.name in dropped or term.name not in used:
            found[term.name] = FittedTerm(status="dropped")
        else:
            found[term.name] = FittedTerm(status="given", ablated_nrmse=worth[term.name])
    added = [name for name in used if name not in found and name not in replaced.values()]
    return found | {str(name): FittedTerm(status="added", ablated_nrmse=worth[name]) for name in added}


def _worth(problem: Problem, without: Floats | None) -> float | None:
    """Training nrmse without a term; None if the model cannot be integrated without it."""
    if without is None:
        return None
    found = score(problem, problem.train, without).nrmse
    return found if found < MEANINGLESS else None


def _nets(claims: dict[str, Any], arrays: Arrays) -> dict[str, FittedNet]:
    return {
        str(name): FittedNet(
            role=str(net.get("role")),
            inputs=tuple(str(item) for item in net.get("inputs", ())),
            hidden=tuple(int(width) for width in net.get("hidden", ())),
            weights=_count(arrays, f"net.{name}."),
            share=_number(claims.get("share")),
        )
        for name, net in claims.get("nets", {}).items()
    }


def no_change(problem: Problem) -> float:
    """Validation nrmse of the prediction that nothing changes: what a model must beat to be one."""
    return score(problem, problem.validation, held_state(problem.validation)).nrmse
