"""The study: everything that is remembered of a run, in one folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from archsearch.bundled import SPACE_FILE
from archsearch.candidate.candidate import Candidate
from archsearch.candidate.genes import choices
from archsearch.candidate.outcome import Evaluation, Score
from archsearch.candidate.ranking import best, rank
from archsearch.errors import DataError, RequestError, RunError, SpaceError
from archsearch.problem.loading import load_problem
from archsearch.problem.problem import Problem
from archsearch.settings import Budget, RunSettings
from archsearch.study import candidate_files
from archsearch.study.candidate_files import Arrays
from archsearch.study.creation import SPACE, new_record, prepare_folder
from archsearch.study.files import RUN, remove_partial, write_file
from archsearch.study.lacking import telling_what_lacks
from archsearch.study.lock import LOCK, run_lock, searching
from archsearch.study.lookup import find_candidate
from archsearch.study.proposals import LogTail, Proposal, ProposalLog, read_log
from archsearch.study.record import Baseline, LaterBudget, RunRecord, read_record
from archsearch.study.space_copy import copy_space
from archsearch.study.writer import CANDIDATES, PROPOSALS, Writer, now

_RESTORE = "Restore it from a copy, or start a new run."


class Study:
    """One run folder. Everything may be read at any time; only `writing` changes what a search depends on.

    Attributes:
        folder: the run folder.
        record: what `run.json` holds.
    """

    def __init__(self, folder: Path, record: RunRecord) -> None:
        self.folder = folder
        self.record = record

    @classmethod
    def create(
        cls, folder: Path, problem: Problem, settings: RunSettings, space_request: str, sandbox: str = ""
    ) -> Study:
        """Start a run in a folder that is new or empty; `run.json` comes last, and makes it a run.

        Args:
            folder: of the run.
            problem: what is asked.
            settings: how to search.
            space_request: how the person named the search space.
            sandbox: the walls that its candidates will run behind.

        Raises:
            RunError: the folder holds a run or something else, or cannot be written.
            MachineError: the disk is full, or no file can be opened.
        """
        with telling_what_lacks(folder, "Then run the same command again: nothing was searched yet."):
            prepare_folder(folder)
            copy_space(problem, space_request, folder / SPACE)
            copied = load_problem(str(folder / SPACE))
            study = cls(folder, new_record(problem, copied.fingerprint, settings, space_request, sandbox))
            study._write_record()
            return study

    @classmethod
    def open(cls, folder: Path) -> Study:
        """Open the run in this folder.

        Raises:
            RunError: there is none, or it is damaged.
        """
        if not folder.is_dir():
            raise RunError(f"{folder}: expected a run folder, found nothing.", "`archsearch list` shows the runs.")
        if not (folder / RUN).exists():
            remedy = "`archsearch list` shows the runs. If a run was stopped while it began, run it again."
            raise RunError(f"{folder}: not a run folder: it has no {RUN}.", remedy)
        return cls(folder, _read(folder))

    @property
    def id(self) -> str:
        """The name of the folder."""
        return self.folder.resolve().name

    @property
    def settings(self) -> RunSettings:
        """What the run was started with."""
        return self.record.settings

    @property
    def space_request(self) -> str:
        """What the person asked for: the name or the path of a search space."""
        return self.record.space_request

    @property
    def sanity(self) -> dict[str, float]:
        """Validation nrmse of predictors that need no model."""
        return dict(self.record.sanity)

    def problem(self) -> Problem:
        """Load the problem from the run's own copy of space and data.

        Raises:
            RunError: the copy was changed, or is damaged.
        """
        try:
            problem = load_problem(str(self.folder / SPACE / SPACE_FILE))
        except (RequestError, SpaceError, DataError) as error:
            message = f"{self.folder / SPACE}: the run's copy of space and data is damaged. {error.message}"
            raise RunError(message, _RESTORE) from error
        if problem.fingerprint != self.record.problem.fingerprint:
            message = f"{self.folder / SPACE}: expected the space and data that the run began with, found others."
            raise RunError(message, "Undo the change; to search with other data, start a new run.")
        return replace(problem, name=self.record.problem.name)

    def proposals(self) -> dict[int, Proposal]:
        """All proposals by number, those included whose line is lost but whose evaluation is there."""
        log = read_log(self.folder / PROPOSALS)
        self.mend(log, self._evaluations())
        return log.proposals

    def evaluations(self) -> list[Evaluation]:
        """All evaluations, by number."""
        return list(self._evaluations().values())

    def evaluation(self, number: int) -> Evaluation:
        """The evaluation of the candidate with this number."""
        return candidate_files.read_evaluation(self._candidate_folder(number))

    def evaluation_of(self, number: int, candidate_id: str) -> Evaluation | None:
        """The same without looking through all folders; None if there is none, or none any more."""
        folder = self.folder / CANDIDATES / candidate_files.folder_name(number, candidate_id)
        return candidate_files.read_evaluation(folder) if folder.is_dir() else None

    def searching(self) -> int | None:
        """The process that searches this run now; None if none does."""
        return searching(self.folder / LOCK)

    def ranked(self) -> list[Evaluation]:
        """All evaluations, smallest error first, failures last."""
        return rank(self.evaluations())

    def best(self) -> Evaluation | None:
        """The model to believe in, see `candidate.ranking.best`; None if none fits."""
        return best(self.evaluations())

    def baselines(self) -> dict[Baseline, Evaluation]:
        """The evaluations of the baselines, as far as they exist."""
        found = {evaluation.candidate: evaluation for evaluation in self.evaluations()}
        return {name: found[key] for name, key in self.record.baselines.items() if key in found}

    def resolve(self, request: str | None = None) -> Evaluation:
        """The evaluation that is meant: by number, by the start of its id; the best without a request."""
        return find_candidate(request, self.evaluations(), self.id)

    def candidate(self, number: int) -> Candidate:
        """The candidate with this number."""
        folder = self._candidate_folder(number)
        evaluation = candidate_files.read_evaluation(folder)
        source = candidate_files.read_source(folder, evaluation.candidate)
        return Candidate(source, evaluation.author, evaluation.claim, evaluation.parents, evaluation.genome)

    def source(self, number: int) -> str:
        """The source of a candidate."""
        return self.candidate(number).source

    def weights(self, number: int) -> bytes:
        """The fitted arrays of a candidate, in the safetensors format."""
        return candidate_files.read_bytes(self._fitted_folder(number), candidate_files.WEIGHTS)

    def predictions(self, number: int) -> Arrays:
        """The predicted trajectories of a candidate, by the names that the evaluator gave them."""
        return candidate_files.read_predictions(self._fitted_folder(number))

    def log(self, number: int) -> str:
        """What a candidate printed."""
        folder = self._candidate_folder(number)
        return candidate_files.read_bytes(folder, candidate_files.LOG).decode(errors="replace")

    def test_scores(self) -> dict[str, Score]:
        """The test scores that were asked for, by the id of the candidate."""
        return {candidate: sealed.score for candidate, sealed in self.sealed_scores().items()}

    def sealed_scores(self) -> dict[str, candidate_files.SealedScore]:
        """The same, each with the walls that it was computed behind."""
        folders = [folder for folder in self._candidate_folders() if (folder / candidate_files.TEST_SCORE).exists()]
        return {
            candidate_files.read_evaluation(folder).candidate: candidate_files.read_test_score(folder)
            for folder in folders
        }

    def record_test_score(self, candidate_id: str, score: Score, sandbox: str) -> Score:
        """Remember a test score and the walls behind it; the first one stands, and is returned."""
        known = self.test_scores()
        if candidate_id not in known:
            number = self.resolve(candidate_id).number
            candidate_files.write_test_score(
                self._candidate_folder(number), candidate_files.SealedScore(score=score, sandbox=sandbox)
            )
        return known.get(candidate_id, score)

    def record_sanity(self, sanity: dict[str, float]) -> None:
        """Remember the errors of predictors that need no model."""
        self.reread()
        self.record = self.record.model_copy(update={"sanity": sanity})
        self._write_record()

    def record_budget(self, budget: Budget) -> None:
        """Remember what is asked for from now on, beside what was asked for before; nothing if it is the same."""
        self.reread()
        if budget != self.record.budget:
            later = (*self.record.later_budgets, LaterBudget(at=now(), budget=budget))
            self.record = self.record.model_copy(update={"later_budgets": later})
            self._write_record()

    def reread(self) -> None:
        """Read the record again: a search may have added to it since.

        Raises:
            RunError: it is damaged, or gone.
        """
        self.record = _read(self.folder)

    @contextmanager
    def writing(self, problem: Problem) -> Iterator[Writer]:
        """Hold the run for a search: lock it, remove what was half written, mend what disagrees.

        Raises:
            RunError: another process searches this run, or it is damaged.
            MachineError: the disk is full, no file can be opened, or the search lacks something else; it says how to
                go on.
        """
        then = f"What is finished is kept. Then go on with: archsearch resume {self.folder}"
        with telling_what_lacks(self.folder, then), run_lock(self.folder / LOCK):
            self._sweep()
            evaluations = self._evaluations()
            tail = LogTail(self.folder / PROPOSALS)
            tail.read()
            self.mend(tail.log, evaluations)
            unsaid = sorted(evaluations.keys() - tail.log.evaluated.keys())
            genes = {name: choice.values for name, choice in choices(problem.space).items()}
            writer = Writer(self.folder, genes, tail, evaluations)
            for number in unsaid:
                writer.note_evaluated(evaluations[number], writer.seconds_before)
            yield writer

    def _sweep(self) -> None:
        (self.folder / CANDIDATES).mkdir(exist_ok=True)
        for folder in (self.folder, self.folder / CANDIDATES, *self._candidate_folders()):
            remove_partial(folder)

    def mend(self, log: ProposalLog, evaluations: Mapping[int, Evaluation]) -> None:
        """Add the proposals to the log that only their evaluations tell of.

        Raises:
            RunError: the two disagree.
        """
        for number, evaluation in evaluations.items():
            if number not in log.proposals:
                log.proposals[number] = Proposal(number, self.candidate(number))
            known = log.proposals[number]
            if known.candidate.id != evaluation.candidate:
                found = f"expected {evaluation.candidate} as proposal {number}, found {known.candidate.id}"
                remedy = "Delete the lines with this number: the candidates' folders are the truth."
                raise RunError(f"{self.folder / PROPOSALS}: {found}.", remedy)

    def _evaluations(self) -> dict[int, Evaluation]:
        found = [candidate_files.read_evaluation(folder) for folder in self._candidate_folders()]
        return {evaluation.number: evaluation for evaluation in sorted(found, key=lambda item: item.number)}

    def _candidate_folders(self) -> list[Path]:
        return self._folders("[0-9]*-*")

    def _folders(self, pattern: str) -> list[Path]:
        return sorted(path for path in (self.folder / CANDIDATES).glob(pattern) if path.is_dir())

    def _candidate_folder(self, number: int) -> Path:
        for folder in self._folders(f"{number:04d}-*"):
            return folder
        raise RequestError(f"{self.id}: has no evaluated candidate with number {number}.")

    def _fitted_folder(self, number: int) -> Path:
        """The folder of a candidate that has a result."""
        folder = self._candidate_folder(number)
        failure = candidate_files.read_evaluation(folder).failure
        if failure is not None:
            raise RequestError(f"Candidate {number} has no result: it failed ({failure.kind}: {failure.message})")
        return folder

    def _write_record(self) -> None:
        write_file(self.folder / RUN, self.record.model_dump_json(indent=1).encode() + b"\n")


def _read(folder: Path) -> RunRecord:
    return read_record(folder / RUN, RunRecord, _RESTORE)
