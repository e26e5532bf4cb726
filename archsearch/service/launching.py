"""Start and resume searches as processes of their own, which go on when this server ends."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from archsearch.bundled import SPACE_FILE, spaces
from archsearch.errors import RequestError, did_you_mean
from archsearch.service.requests import GoOn, Start
from archsearch.study.files import RUN
from archsearch.study.lock import LOCK
from archsearch.study.lookup import new_run_folder

LOGS = ".searches"
MOST_LOG = 40_000
MOST_NOT_BEGUN = 5
ARCHSEARCH = (sys.executable, "-m", "archsearch")


class Launcher:
    """Starts searches in a folder of runs, and keeps what each of them printed.

    Args:
        runs_dir: where runs are.
        command: what stands before `run` and `resume`.
    """

    def __init__(self, runs_dir: Path, command: Sequence[str] = ARCHSEARCH) -> None:
        self._runs_dir = runs_dir
        self._command = tuple(command)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._launched: dict[str, int] = {}
        self._trials: dict[str, int] = {}
        self._lock = threading.Lock()

    def known_spaces(self) -> dict[str, str]:
        """The search spaces that may be asked for, by name, each with what to hand to `archsearch run`."""
        found = {name: name for name in spaces()}
        for path in sorted(Path.cwd().glob(f"*/{SPACE_FILE}")):
            found.setdefault(path.parent.name, str(path.parent))
        return found

    def start(self, asked: Start) -> str:
        """Start a new search; returns the id of its run.

        Raises:
            RequestError: there is no such search space.
        """
        known = self.known_spaces()
        if asked.space not in known:
            hint = did_you_mean(asked.space, known)
            raise RequestError(f"There is no search space called {asked.space!r}{hint}", f"Known: {', '.join(known)}.")
        self._runs_dir.mkdir(parents=True, exist_ok=True)
        folder = new_run_folder(self._runs_dir, asked.space)
        arguments = ["run", known[asked.space], "--run-dir", str(folder), *_options(asked)]
        self._launch(folder.name, arguments)
        return folder.name

    def go_on(self, folder: Path, asked: GoOn) -> None:
        """Go on with a search that nobody searches now."""
        self._trials[folder.name] = asked.trials or 0
        self._launch(folder.name, ["resume", str(folder), "--wait", *_budget(asked)])

    def is_starting(self, run: str) -> bool:
        """Whether a process that was started here for this run lives and has not come to search yet."""
        process = self._processes.get(run)
        if process is None or process.poll() is not None:
            return False
        lock = self._runs_dir / run / LOCK  # written to by whoever takes it
        return not lock.exists() or lock.stat().st_mtime_ns < self._launched[run]

    def not_begun(self) -> list[str]:
        """The runs that a page started and that are not there (yet), the newest first."""
        names = sorted((path.stem for path in (self._runs_dir / LOGS).glob("*.log")), reverse=True)
        return [name for name in names if self.was_launched(name)][:MOST_NOT_BEGUN]

    def trials(self, run: str) -> int:
        """How many candidates the last search that was started here may evaluate; 0 if nobody said so."""
        return self._trials.get(run, 0)

    def was_launched(self, run: str) -> bool:
        """Whether a search was started from a page for a run that is not there (yet)."""
        return self._log(run).exists() and not (self._runs_dir / run / RUN).exists()

    def log(self, run: str) -> str:
        """The end of what the searches of this run printed; empty if none was started from here."""
        path = self._log(run)
        if not path.exists():
            return ""
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - MOST_LOG))
            return file.read().decode(errors="replace")

    def exit_code(self, run: str) -> int | None:
        """How the last search that was started here for this run ended; None if it has not, or is not known."""
        process = self._processes.get(run)
        return None if process is None else process.poll()

    def _log(self, run: str) -> Path:
        return self._runs_dir / LOGS / f"{run}.log"

    def _launch(self, run: str, arguments: list[str]) -> None:
        """Start a process in a session of its own, so that what ends this server does not end it."""
        log = self._log(run)
        log.parent.mkdir(parents=True, exist_ok=True)
        with self._lock, log.open("ab") as output:
            self._launched[run] = time.time_ns()
            self._processes[run] = subprocess.Popen(
                [*self._command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"},
            )


def _options(asked: Start) -> list[str]:
    options = ["--seed", str(asked.seed), "--proposer", asked.proposer, "--review", asked.review, "--wait"]
    for policy in asked.approve:
        options += ["--approve", policy]
    return options + _budget(asked)


def _budget(asked: Start | GoOn) -> list[str]:
    given = {"--trials": asked.trials, "--minutes": asked.minutes, "--workers": asked.workers}
    return [text for name, value in given.items() if value is not None for text in (name, str(value))]
