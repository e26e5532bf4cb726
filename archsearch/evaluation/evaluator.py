"""Evaluate a candidate in three places: fit and predict behind walls, score here, where nobody can lie.

Fit sees training data only. Predict sees initial observations, times and inputs of rollouts and no targets. What a
candidate prints, patches or claims changes nothing: the score is computed from its predictions, which must not change
when it is asked again with less, the number of its weights is counted from its arrays, the constants in its source are
counted too, and its diagnostics are recorded as what it said.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.check import check
from archsearch.candidate.constants import count_constants, without_remarks
from archsearch.candidate.outcome import Evaluation, Score
from archsearch.errors import NothingFoundError, RequestError
from archsearch.evaluation.claims import claimed_terms, described
from archsearch.evaluation.confirmation import chance, reduced
from archsearch.evaluation.failures import (
    FailedError,
    check_failure,
    diverged_failure,
    failure_of,
    result_failure,
    unread_failure,
)
from archsearch.evaluation.predictions import Asked, bytes_of, gates_within, read_predictions
from archsearch.evaluation.result import Arrays, Outcome
from archsearch.evaluation.weights import Expected, count_weights, read_weights, written
from archsearch.problem.problem import Part, PartName, Problem
from archsearch.sandbox.progress import Tell, Told, nobody
from archsearch.sandbox.report import Report
from archsearch.sandbox.sandbox import Sandbox
from archsearch.sandbox.sealed import Sealed
from archsearch.sandbox.tiers import Tier, required
from archsearch.settings import Limits, RunSettings
from archsearch.training import jobs
from archsearch.training.data.task import Samples, Task, pack_samples, pack_tasks, samples_given
from archsearch.training.score import no_change as held_state
from archsearch.training.score import score

FIT, PREDICT = f"{jobs.__name__}:fit_job", f"{jobs.__name__}:predict_job"
REHEARSAL = "archsearch.training.rehearsal:rehearse"
TRAIN, VALIDATION = "train", "validation"
PREDICTING = "predictions"
"""What an evaluation does after the stages of its fit."""

Content = Sealed | bytes


def candidate_sandbox(limits: Limits, accept_unsandboxed: bool = False) -> Sandbox:
    """A place to run candidates in, behind the strongest walls that hold here.

    Raises:
        MachineError: no wall holds, and that was not accepted.
    """
    sandbox = sandbox_of(limits, required(accept_unsandboxed))
    sandbox.start()
    return sandbox


def sandbox_of(limits: Limits, tier: Tier) -> Sandbox:
    """A place to run candidates in, behind walls that are known to hold; it starts with the first of them."""
    return Sandbox(limits, tier, warm_up=(REHEARSAL,))


class Evaluator:
    """Evaluates candidates; any number of threads may share one.

    Args:
        problem: the data, of which only what is needed is handed on.
        settings: how to fit, and the limits.
        sandbox: where candidates run; closed with the evaluator. One of its own if none is given.

    Raises:
        MachineError: no sandbox is given, and no wall holds here.
    """

    def __init__(self, problem: Problem, settings: RunSettings, sandbox: Sandbox | None = None) -> None:
        self._problem = problem
        self._settings = settings
        self._sandbox = candidate_sandbox(settings.limits) if sandbox is None else sandbox

    def close(self) -> None:
        """End the processes that candidates run in."""
        self._sandbox.close()

    def evaluate(self, candidate: Candidate, number: int, tell: Tell = nobody) -> Outcome:
        """Check, fit, predict and score a candidate; a failure is an outcome like any other.

        Args:
            candidate: what to evaluate.
            number: of its proposal.
            tell: told how far it is, in this thread, a few times a second at most: what the candidate's own process
                says, which changes nothing of the outcome.
        """
        started = time.monotonic()
        try:
            outcome = self._scored(candidate, number, tell)
        except FailedError as failed:
            outcome = Outcome(Evaluation.of(candidate, number, failed.failure), b"", {}, failed.log)
        more = {"seconds": round(time.monotonic() - started, 3), "sandbox": self._sandbox.tier.value}
        return replace(outcome, evaluation=outcome.evaluation.model_copy(update=more))

    def predict(self, source: str, weights: bytes, part: Part, seed: int = 0) -> Arrays:
        """Roll out a fitted candidate, and once more with less; `times`, `states`, `dense_times`, `dense_states`.

        Args:
            source: the candidate.
            weights: what its fit left.
            part: what to predict; only what a predictor may see of it is handed on.
            seed: of the process; makes no difference to an honest candidate.

        Raises:
            FailedError: it leaves no prediction, or two that differ.
        """
        asked = {"part": Asked.for_drawing(part)}
        return self._predicted(_program(source), read_weights(weights), asked, "part", seed)[0]["part"]

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

    # ---- the three steps -------------------------------------------------------------------------------------------

    def _scored(self, candidate: Candidate, number: int, tell: Tell) -> Outcome:
        problem, source = self._problem, candidate.source
        findings = check(source, problem.space)
        if findings:
            raise FailedError(check_failure([str(finding) for finding in findings]))
        seed = seed_of(candidate, self._settings.seed)
        weights, claims, log = self._fitted(source, seed, tell)
        tell(Told(PREDICTING))
        arrays = read_weights(weights)
        terms = claimed_terms(claims, source)
        asked = {TRAIN: Asked.for_drawing(problem.train), VALIDATION: Asked.for_drawing(problem.validation)}
        gates = gates_within(self._settings.limits.result_mb << 20, asked, problem.train, terms)
        asked[TRAIN] = replace(asked[TRAIN], gates=gates)
        program = _program(source)
        found, margins, said = self._predicted(program, arrays, asked, VALIDATION, seed)
        without = {name.removeprefix("without."): array for name, array in found[TRAIN].items() if "without." in name}
        known = described(problem, source, claims | {"terms": terms, jobs.MARGINS: margins}, arrays, without)
        record = Evaluation.of(candidate, number).model_copy(
            update={
                "status": "ok",
                "train": score(problem, problem.train, found[TRAIN]["states"]),
                "validation": _finite(score(problem, problem.validation, found[VALIDATION]["states"]), log),
                "weights": count_weights(arrays, self._expected(program, known["parameters"])),
                "constants": count_constants(source, problem.space),
                **known,
            }
        )
        names = {name: name for name in problem.train.trajectories.ids}
        return Outcome(record, written(arrays, names), _kept(found), log + said)

    def _fitted(self, source: str, seed: int, tell: Tell) -> tuple[bytes, dict[str, Any], str]:
        """Weights, claims and log of a fit."""
        contents, task = self._training
        tasks = pack_tasks({jobs.SAMPLES: replace(task, seed=seed)})
        given: dict[str, Content] = {jobs.SOURCE: source.encode(), jobs.TASKS: tasks, jobs.SAMPLES: contents}
        report = self._run(FIT, given, tell=None if tell is nobody else tell)
        if not report.blob:
            raise FailedError(result_failure("it left no weights"), report.log)
        return report.blob, report.header or {}, report.log

    def _predicted(
        self, program: str, weights: Arrays, asked: Mapping[str, Asked], confirmed: str, seed: int
    ) -> tuple[dict[str, Arrays], dict[str, Any], str]:
        """Predictions of some parts by name, what was said of limits on each, and the log.

        One of them is asked for again, one process after the other: those that run side by side could tell each other
        what only one of them was given.
        """
        whole = asked[confirmed].part
        names = {name: name for one in asked.values() for name in one.part.trajectories.ids}
        found, margins, log = self._predict(program, written(weights, names), asked, seed)
        first = found[confirmed]["states"]
        for less in reduced(whole, chance(self._problem, program, seed)):
            again, fewer = {confirmed: Asked(less.part)}, written(weights, less.names)
            second, _, _ = self._predict(program, fewer, again, seed + 1, self._is_train(whole))
            differs = less.disagreement(self._problem, whole, first, second[confirmed]["states"])
            if differs is not None:
                message = f"asked again for fewer or shorter trajectories, it predicts otherwise: {differs}"
                raise FailedError(result_failure(message), log)
        return found, margins, log

    def _predict(
        self, source: str, weights: bytes, asked: Mapping[str, Asked], seed: int, is_train: bool = False
    ) -> tuple[dict[str, Arrays], dict[str, Any], str]:
        shown = {name: self._shown(one.part, is_train) for name, one in asked.items()}
        tasks = {
            name: replace(shown[name][1], dense=one.dense, gates=one.gates, seed=seed) for name, one in asked.items()
        }
        given: dict[str, Content] = {name: contents for name, (contents, _) in shown.items()}
        given |= {jobs.SOURCE: source.encode(), jobs.TASKS: pack_tasks(tasks), jobs.WEIGHTS: weights}
        report = self._run(PREDICT, given, bytes_of(asked))
        margins = (report.header or {}).get(jobs.MARGINS, {})
        return read_predictions(report.blob or b"", asked), margins, report.log

    def _run(
        self, entry: str, given: Mapping[str, Content], blob_bytes: int | None = None, tell: Tell | None = None
    ) -> Report:
        """The report on a job that ended well; raises `FailedError` otherwise."""
        try:
            report = self._sandbox.run(entry, given, blob_bytes, tell)
        except MemoryError:
            raise FailedError(unread_failure()) from None
        failure = failure_of(report, self._settings.limits)
        if failure is not None:
            raise FailedError(failure, report.log)
        return report

    # ---- what jobs are given ---------------------------------------------------------------------------------------

    @cached_property
    def _training(self) -> tuple[Sealed, Task]:
        """What a fit sees, sealed once for all candidates."""
        samples = samples_given(self._problem.train)
        return self._sandbox.seal("archsearch-fit", pack_samples(samples)), self._task(samples, "fitted")

    @cached_property
    def _held(self) -> dict[str, tuple[Sealed, Task]]:
        """What predictors see of the parts that every candidate is asked for, sealed once for all of them."""
        parts = {TRAIN: self._problem.train, VALIDATION: self._problem.validation}
        tasks = {name: self._shown_task(part, part is self._problem.train) for name, part in parts.items()}
        return {
            name: (self._sandbox.seal(f"archsearch-{name}", pack_samples(task.samples)), task)
            for name, task in tasks.items()
        }

    def _shown(self, part: Part, is_train: bool) -> tuple[Content, Task]:
        """What a predictor sees of a part."""
        for name, known in ((TRAIN, self._problem.train), (VALIDATION, self._problem.validation)):
            if part is known:
                return self._held[name]
        task = self._shown_task(part, is_train)
        return pack_samples(task.samples), task

    def _shown_task(self, part: Part, is_train: bool) -> Task:
        """The initial states of training rollouts are among the weights, so that no training target is shown."""
        start: str = "fitted" if is_train else part.start
        if start == "warmup" and self._problem.space.split.by == "time":
            start = "within"
        return self._task(samples_given(part).unshown() if is_train else samples_given(part), start)

    def _task(self, samples: Samples, start: str) -> Task:
        space = self._problem.space
        return Task(space.states, space.input_names, samples, start, self._settings.fit, self._settings.seed)

    def _is_train(self, part: Part) -> bool:
        return part is self._problem.train

    def _expected(self, program: str, parameters: Mapping[str, Any]) -> Expected:
        space, train = self._problem.space, self._problem.train.trajectories
        seen = len(space.states) + len(space.inputs)
        words = frozenset(re.findall(r"\w+", program))
        return Expected(train.states.shape[2:], seen, frozenset(train.ids), frozenset(parameters), words)


def seed_of(candidate: Candidate, seed: int) -> int:
    """The seed of a candidate's own process: the same wherever and whenever it is evaluated in this search."""
    return (int(candidate.id[:8], 16) ^ seed) % (1 << 31)


def no_change(problem: Problem) -> float:
    """Validation nrmse of the prediction that nothing changes: what a model must beat to be one."""
    return score(problem, problem.validation, held_state(problem.validation)).nrmse


def _program(source: str) -> str:
    """What predictions are made with: a table in a comment would be a weight that nobody counts."""
    try:
        return without_remarks(source)
    except ValueError as error:
        raise FailedError(check_failure([str(error)])) from error


def _finite(found: Score, log: str) -> Score:
    if not math.isfinite(found.nrmse) and not found.diverged:
        raise FailedError(diverged_failure("its held-out rollouts are too far off for their error to be a number"), log)
    if found.diverged:
        message = f"{found.diverged} of {found.trajectories} held-out rollouts cannot be integrated to their end"
        raise FailedError(diverged_failure(message), log)
    return found


def _kept(found: Mapping[str, Arrays]) -> Arrays:
    """Predictions as they are remembered."""
    return {
        f"{part}.{name}": array
        for part, arrays in found.items()
        for name, array in arrays.items()
        if not name.startswith("without.")
    }
