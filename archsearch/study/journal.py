"""The Optuna journal of a run: a record for people and dashboards, made from the candidates' folders."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState, create_trial

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.outcome import Evaluation
from archsearch.study.files import PARTIAL, cut_torn_line

Choices = Mapping[str, tuple[str | float | int | bool, ...]]
STUDY_NAME = "archsearch"


@dataclass(frozen=True)
class Settled:
    """A proposal that nothing more will happen to: evaluated, or refused (no evaluation)."""

    candidate: Candidate
    evaluation: Evaluation | None


class Journal:
    """Keeps one Optuna trial per proposal, in the order of their numbers.

    What is on disk is taken over as far as it agrees with what the candidates' folders say, and made anew otherwise.
    Only the holder of the run's lock may make one.

    Args:
        path: the journal file.
        choices: the closed space: the values that each gene may take.
        settled: all proposals that are settled, by number, without gaps.
    """

    def __init__(self, path: Path, choices: Choices, settled: Sequence[Settled]) -> None:
        self._choices = choices
        self._study = _opened(path)
        if self._study is None or not _agree(self._study.get_trials(deepcopy=False), settled):
            self._study = _made_anew(path, [self._trial(entry) for entry in settled])
        self.length = len(self._study.get_trials(deepcopy=False))
        self.extend(settled[self.length :])

    def extend(self, settled: Iterable[Settled]) -> None:
        """Append the next trials."""
        assert self._study is not None
        for entry in settled:
            self._study.add_trial(self._trial(entry))
            self.length += 1

    def _trial(self, entry: Settled) -> FrozenTrial:
        genome = entry.candidate.genome or {}
        distributions: dict[str, BaseDistribution] = {
            name: CategoricalDistribution(self._choices[name])
            for name, value in genome.items()
            if value in self._choices.get(name, ())
        }
        value = _value(entry)
        return create_trial(
            state=TrialState.FAIL if value is None else TrialState.COMPLETE,
            value=value,
            params={name: genome[name] for name in distributions},
            distributions=distributions,
            user_attrs=_attributes(entry),
        )


def _attributes(entry: Settled) -> dict[str, str | int | list[str]]:
    """What a dashboard shows beside the genome."""
    candidate, evaluation = entry.candidate, entry.evaluation
    shown: dict[str, str | int | list[str]] = {
        "candidate": candidate.id,
        "author": candidate.author,
        "claim": candidate.claim,
        "parents": list(candidate.parents),
        "status": evaluation.status if evaluation else "refused",
    }
    if evaluation and evaluation.failure:
        shown["failure"] = f"{evaluation.failure.kind}: {evaluation.failure.message}"
    return shown


def _opened(path: Path) -> optuna.Study | None:
    """The study on disk, None if there is none or it cannot be read."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # Whoever held Optuna's own lock was killed: we hold the lock of the run, and Optuna would wait half a minute.
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
    if not path.exists():
        return None
    cut_torn_line(path)
    try:
        return optuna.load_study(study_name=STUDY_NAME, storage=_storage(path))
    except (KeyError, ValueError, TypeError, AssertionError, json.JSONDecodeError):
        return None


def _storage(path: Path) -> JournalStorage:
    # Optuna's lock is a symbolic link to this path: a relative one would point nowhere.
    return JournalStorage(JournalFileBackend(str(path.resolve())))


def _agree(trials: Sequence[FrozenTrial], settled: Sequence[Settled]) -> bool:
    """Whether the trials are the first of the settled proposals."""
    if len(trials) > len(settled):
        return False
    return all(_same(trial, entry) for trial, entry in zip(trials, settled, strict=False))


def _same(trial: FrozenTrial, entry: Settled) -> bool:
    value = _value(entry)
    return trial.user_attrs == _attributes(entry) and trial.values == (None if value is None else [value])


def _value(entry: Settled) -> float | None:
    """What the candidate is ranked by; None where it failed or was refused."""
    evaluation = entry.evaluation
    return evaluation.error if evaluation is not None and math.isfinite(evaluation.error) else None


def _made_anew(path: Path, trials: Iterable[FrozenTrial]) -> optuna.Study:
    """Write a new journal beside the old one and put it in its place."""
    partial = path.with_name(f".{path.name}{PARTIAL}")
    partial.unlink(missing_ok=True)
    study = optuna.create_study(study_name=STUDY_NAME, storage=_storage(partial), direction="minimize")
    for trial in trials:
        study.add_trial(trial)
    partial.replace(path)
    return optuna.load_study(study_name=STUDY_NAME, storage=_storage(path))
